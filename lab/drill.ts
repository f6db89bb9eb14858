import { parseArgs } from 'node:util'
import { ARCHIVE_OPTIONS, archiveWishes } from './archive-wishes.ts'
import { drillOnClusters, type WantedOnClusters } from './drill-on-clusters.ts'
import { endWith } from './end-with.ts'
import { STACK_ON_MACHINES, WITH, type With } from './lab-kind.ts'
import { drillOnMachines } from './machines/drill.ts'
import { oneOf } from './one-of.ts'
import { type LabStackName, labStacks } from './stacks.ts'

type Wanted =
  | ({ readonly on: 'clusters' } & WantedOnClusters)
  | { readonly on: 'machines'; readonly also: With | undefined }

/**
 * Without an option: the quick drill, on machines. `--stack infisical-kubernetes` and `--stack hanzo-kms` drill a
 * published stack on clusters, and so does each option that only those have. `--stack infisical-on-premise --with consul`:
 * the quick drill with Consul, which joins the sites and keeps the state of Patroni. `--sites 3`: the story of three clusters.
 * `--archive in-tree`: WAL and backups by CloudNativePG itself, without the plugin. `--wal-segments 64`: a database
 * with segments of so many MB. `--follow archive`: the passive site has nothing but the archive. `--store private`:
 * witness and archives speak TLS, by an authority of their own. `--failover`, and with any of these four: the stack
 * comes back by a failover from a killed site, and that site rejoins.
 */
function readWanted(): Wanted {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: { stack: text, with: text, sites: text, store: text, failover: { type: 'boolean' }, ...ARCHIVE_OPTIONS },
  })
  const onClusters = Object.keys(labStacks) as LabStackName[]
  const stack = oneOf('stack', values.stack, [STACK_ON_MACHINES, ...onClusters])
  const { stack: _, with: wishedWith, ...others } = values
  const also = oneOf('with', wishedWith, WITH)
  const isOfClusters = Object.values(others).some((value) => value !== undefined)
  if (stack === STACK_ON_MACHINES && isOfClusters)
    throw new Error(`--${Object.keys(others).join(', --')}: only for a stack on clusters, ${onClusters.join(' or ')}`)
  if (stack === STACK_ON_MACHINES || (stack === undefined && !isOfClusters)) return { on: 'machines', also }
  if (also !== undefined) throw new Error(`--with: only for the stack on machines, ${STACK_ON_MACHINES}`)
  const wishes = archiveWishes(values)
  const privateStore = oneOf('store', values.store, ['plain', 'private']) === 'private'
  return {
    on: 'clusters',
    stack: stack ?? 'infisical-kubernetes',
    threeSites: oneOf('sites', values.sites, ['2', '3']) === '3',
    wishes,
    failover: values.failover ?? (privateStore || Object.keys(wishes).length > 0),
    privateStore,
  }
}

async function main(): Promise<number> {
  const wanted = readWanted()
  return wanted.on === 'machines' ? drillOnMachines(wanted.also) : drillOnClusters(wanted)
}

endWith(main())
