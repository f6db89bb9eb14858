import type { Observed } from '../../src/domain/observed.ts'
import type { Intent, Plan } from '../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../src/domain/stack.ts'
import { drivers, manualWitnesses, witnesses } from '../../src/drivers/registry.ts'
import type { Observation } from '../../src/observation/observation.ts'
import { planMove } from '../../src/planning/plan-move.ts'
import { declaredCluster } from '../../src/platform/kubernetes/declared-cluster.ts'
import { runbookOf } from '../../src/reporting/runbook.ts'
import { loadStack } from '../../src/stack/load-stack.ts'
import { backup, states } from '../unit/drivers/cloudnative-pg/cluster-states.ts'
import { pathOfStack } from './published-stacks.ts'

const NOW = '2026-11-21T06:00:00.000Z'
const [dcA, dcB] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const SILENT = { kind: 'silent', why: 'no answer within 3 s' } as const

/** The moves whose runbooks are published as examples, by the file below docs/runbooks. */
export const EXAMPLES = {
  'infisical-kubernetes-switchover.md': { mode: 'switchover', from: dcA, to: dcB },
  'infisical-kubernetes-failover.md': { mode: 'failover', from: dcA, to: dcB, acceptLoss: 300_000 },
  'infisical-kubernetes-rejoin.md': { mode: 'rejoin', from: dcB, to: dcA },
} as const satisfies Record<string, Intent>

/** The published runbooks: of the published stack, in a world that is made up and always the same. */
export async function exampleRunbooks(): Promise<Map<string, string>> {
  const stack = await loadStack(pathOfStack('infisical-kubernetes'), { drivers, witnesses })
  return new Map(Object.entries(EXAMPLES).map(([file, intent]) => [file, exampleRunbook(stack, intent)]))
}

export function exampleRunbook(stack: Stack, intent: Intent): string {
  const witness = manualWitnesses[stack.witness.driver]?.(stack.witness.spec)
  if (witness === undefined) throw new Error(`no runbook for the witness ${stack.witness.driver}`)
  return runbookOf({ plan: examplePlan(stack, intent), stack, drivers, witness })
}

export function examplePlan(stack: Stack, intent: Intent): Plan {
  const id = `20261121T060000Z-${intent.mode}-${intent.from}-${intent.to}`
  return planMove(stack, exampleObservation(stack, intent), intent, drivers, {
    id,
    nonce: '0'.repeat(32),
    toolVersion: 'example',
  })
}

/** What is seen of the example's world. */
export function exampleObservation(stack: Stack, { mode, from }: Intent): Observation {
  const answering = (state: unknown, role: 'active' | 'passive' | 'unknown' = 'unknown'): Observed => ({
    kind: 'answering',
    state,
    role,
    health: 'healthy',
    text: '',
    facts: [],
  })
  const lost = mode === 'failover' ? from : null
  const both = (of: (site: string) => Observed): Record<string, Observed> =>
    Object.fromEntries(stack.sites.map(({ name }) => [name, name === lost ? SILENT : of(name)]))
  const dump = {
    name: 'redis/20261121T050000Z',
    keys: 42,
    expired: 0,
    bytes: 4_096,
    sha256: 'a'.repeat(64),
    takenAt: '2026-11-21T05:00:00Z',
  }
  const backend = (site: string) => ({
    servers: [{ name: 'node-1', up: site !== lost, check: site === lost ? 'L4TOUT' : 'L7OK' }],
    sessions: 0,
  })
  return {
    at: NOW,
    witness: {
      kind: 'answering',
      active: {
        schemaVersion: 1,
        stack: stack.name,
        epoch: 4,
        activeSite: from,
        since: '2026-11-01T00:00:00Z',
        run: 'example',
      },
      lock: null,
    },
    sites: Object.fromEntries(
      stack.sites.map((site) => [
        site.name,
        site.name === lost
          ? { ...SILENT, cause: 'no-answer', triedFrom: ['this runner'] }
          : { kind: 'answering', identity: declaredCluster(site)?.clusterId ?? '', version: 'v1.34', latency: 10 },
      ]),
    ),
    components: {
      archive: both(() => answering({ bucket: 'infisical', versioning: 'enabled', conditionalWrites: true })),
      database: databaseStates(mode),
      cache: both(() =>
        answering({ ready: true, image: 'docker.io/library/redis:7.4.6', dumps: { 'dc-a': dump, 'dc-b': dump } }),
      ),
      application: both((site) =>
        answering({ workload: workloadOf(site === from ? 2 : 0), secrets: null }, site === from ? 'active' : 'passive'),
      ),
      traffic: {
        '*': answering({
          instances: Object.fromEntries(
            ['lb-1.example.com', 'lb-2.example.com'].map((host) => [
              host,
              {
                kind: 'answering',
                runtime: from,
                file: from,
                backends: { 'dc-a': backend('dc-a'), 'dc-b': backend('dc-b') },
              },
            ]),
          ),
        }),
      },
      guard: both(() => answering({ ready: 1, report: null })),
    },
  }
}

const workloadOf = (replicas: number) => ({
  declared: replicas,
  ready: replicas,
  pods: replicas,
  image: 'infisical',
  settled: true,
})

/** dc-a is active and dc-b follows; in a rejoin dc-b was promoted, and dc-a believes that it is the primary. */
function databaseStates(mode: Intent['mode']): Record<string, Observed> {
  const upstream = {
    cluster: 'pg-dc-a',
    serverName: 'pg-dc-a-g1',
    silent: null,
    newest: { segment: '000000030000000000000008', at: '2026-11-21T05:59:48Z' },
    closable: true,
  }
  if (mode === 'switchover') return states()
  const taken = backup('completed', '2026-11-21T05:40:00Z', { pluginMetadata: { clusterUID: 'uid-pg-dc-b' } })
  if (mode === 'failover')
    return { ...states({ b: { upstream, instance: { isWalReceiverActive: false } } }), 'dc-a': SILENT }
  return states({
    a: { spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-a', source: 'pg-dc-b' } } },
    b: {
      spec: {
        replica: { self: 'pg-dc-b', primary: 'pg-dc-b', source: 'pg-dc-a' },
        externalClusters: [{ name: 'pg-dc-a', plugin: { parameters: { serverName: 'pg-dc-a-g1' } } }],
      },
      instance: { isPrimary: true, timeLineID: 4, currentLsn: '0/A000000' },
      backups: [{ ...taken, spec: { cluster: { name: 'pg-dc-b' } } }],
    },
  })
}
