import { setTimeout as sleep } from 'node:timers/promises'
import type { DeployReport } from '../../src/evidence/reports.ts'
import type { LabEnvironment } from '../environment.ts'
import { execute } from '../execute.ts'
import { runStandby } from '../run-standby.ts'
import type { LabStack } from '../stacks.ts'
import type { SiteName } from '../topology.ts'
import { type Patience, until } from '../until.ts'
import {
  applicationIsReady,
  cluster,
  type Ends,
  namespace,
  psql,
  scaleApplication,
  setTraffic,
  TWICE_A_SECOND,
  takesClients,
} from './by-hand.ts'
import { newestDump } from './newest-dump.ts'

/** A person looks every five seconds. */
const BY_EYE: Patience = { deadline: 300_000, every: 5_000 }

/**
 * What a person needs for a command, milliseconds: to read the last answer, and to bring the next line into the
 * terminal. Less than a real person needs, so that the yardstick is not made longer than it is: in the keystroke-level
 * model the thought alone takes 1.35 s, and each key of a line that is typed 0.28 s (Card, Moran, Newell: The
 * Psychology of Human-Computer Interaction, 1983).
 */
const BY_HAND = 1_000

/**
 * The guide's procedure (Infisical on Kubernetes, "Traffic Management and Failover"), one kubectl command after
 * another, as a reader types and reads them (`BY_HAND`, `BY_EYE`), and nothing that it does not say: the operator looks
 * at both sites, promotes the replica by CloudNativePG's process, restores the latest dump of the cache, and when the
 * database is done lets the load balancer direct traffic to the other site. Returns how long that took; milliseconds.
 */
export async function guidedSwitchover(stack: LabStack, lab: LabEnvironment, ends: Ends): Promise<number> {
  const begun = performance.now()
  const look = (site: SiteName, ...args: string[]): Promise<string> => {
    const kubeconfig = lab.sites.find((candidate) => candidate.name === site)?.kubeconfig ?? ''
    return execute(lab.programs.kubectl, [`--kubeconfig=${kubeconfig}`, '-n', namespace, ...args], {
      deadline: 400_000,
    })
  }
  const byHand = async <T>(command: () => Promise<T>): Promise<T> => {
    await sleep(BY_HAND)
    return command()
  }
  const kubectl = (site: SiteName, ...args: string[]): Promise<string> => byHand(() => look(site, ...args))
  const statusOf = (site: SiteName, field: string): Promise<string> =>
    look(site, 'get', 'cluster', `pg-${site}`, '-o', `jsonpath={.status.${field}}`)
  const patch = (site: SiteName, replica: object): Promise<string> =>
    kubectl(site, 'patch', 'cluster', `pg-${site}`, '--type=merge', '-p', JSON.stringify({ spec: { replica } }))
  for (const site of [ends.from, ends.to]) await kubectl(site, 'get', 'cluster,pods')
  await patch(ends.from, { primary: `pg-${ends.to}`, source: `pg-${ends.to}`, promotionToken: null })
  const token = await until(
    'the demotion token',
    BY_EYE,
    async () => (await statusOf(ends.from, 'demotionToken')) || undefined,
  )
  await patch(ends.to, { primary: `pg-${ends.to}`, promotionToken: token })
  await until('the promotion', BY_EYE, async () => (await statusOf(ends.to, 'lastPromotionToken')) === token)
  const dump = await byHand(() => newestDump(stack, ends.from))
  await kubectl(
    ends.to,
    'patch',
    'secret',
    dump.secret,
    '--type=merge',
    '-p',
    JSON.stringify({ stringData: dump.request }),
  )
  await kubectl(ends.to, 'delete', 'pod', dump.pod)
  await kubectl(ends.to, 'wait', '--for=create', `pod/${dump.pod}`, '--timeout=60s')
  await kubectl(ends.to, 'wait', '--for=condition=Ready', `pod/${dump.pod}`, '--timeout=300s')
  await kubectl(ends.to, 'wait', '--for=condition=Ready', `cluster/pg-${ends.to}`, '--timeout=300s')
  await until(
    'a healthy database',
    BY_EYE,
    async () => (await statusOf(ends.to, 'phase')) === 'Cluster in healthy state',
  )
  await byHand(() => setTraffic(lab, ends.to))
  return performance.now() - begun
}

/**
 * What follows from the guide and its defaults, and not from our stack file: the replica follows by the object store
 * alone, the operator's default of 180 s for a smart shutdown, and a deployment of the application that runs on the
 * passive site and waits there. For as long as no guard looks.
 */
export async function asTheGuideHasIt(stack: LabStack, ends: Ends): Promise<void> {
  for (const site of [ends.from, ends.to]) {
    const found = (await stack.admin[site].get(cluster(`pg-${site}`))) as unknown as {
      readonly spec: { readonly externalClusters: readonly { readonly name: string; readonly plugin?: object }[] }
    }
    const externalClusters = found.spec.externalClusters.map(({ name, plugin }) => ({
      name,
      ...(plugin === undefined ? {} : { plugin }),
    }))
    await stack.admin[site].patch(cluster(`pg-${site}`), { spec: { externalClusters, smartShutdownTimeout: 180 } })
  }
  await scaleApplication(stack.admin[ends.to], 1)
  await until('the waiting application', TWICE_A_SECOND, () => applicationIsReady(stack.admin[ends.to]))
}

/**
 * A promotion ends with a restart. The operator forgets it when the promotion is asked for before the replica has
 * reached the token (`restart.ts` of the driver), whatever phase and condition say, and the guide waits for nothing
 * there: it then comes whenever a setting changes next. Here that is at once. With the guide's smart shutdown the
 * waiting application's connections keep new ones out meanwhile. Says whether it was forgotten.
 */
export async function restartAsTheGuideHasIt(stack: LabStack, { to }: Ends): Promise<boolean> {
  const [kubernetes, name] = [stack.admin[to], `pg-${to}`]
  const forgotten = !(await takesClients(kubernetes, name))
  await psql(kubernetes, `${name}-1`, 'SELECT pg_reload_conf()').catch(() => '')
  await kubernetes.patch(cluster(name), { spec: { replica: { promotionToken: null } } })
  await until('the restart', TWICE_A_SECOND, () => takesClients(kubernetes, name))
  return forgotten
}

/** Brings the stack back to what it declares. */
export async function asDeclared(stack: LabStack, { programs }: LabEnvironment, { to }: Ends): Promise<void> {
  await stack.admin[to].patch(cluster(`pg-${to}`), { spec: { smartShutdownTimeout: 0 } })
  const { code, result } = await runStandby<DeployReport>(stack, 'deployer', ['deploy'], {
    helm: programs.helm,
    quiet: true,
  })
  if (code !== 0) throw new Error(`the stack could not be deployed as it is declared: ${result.failure?.what ?? ''}`)
}
