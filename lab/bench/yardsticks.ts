import type { LabEnvironment } from '../environment.ts'
import type { LabStack } from '../stacks.ts'
import type { SiteName } from '../topology.ts'
import { until } from '../until.ts'
import { tellWitness } from '../witness.ts'
import {
  applicationIsGone,
  applicationIsReady,
  type ClusterStatus,
  cluster,
  type Ends,
  psql,
  scaleApplication,
  setTraffic,
  TWICE_A_SECOND,
  takesClients,
} from './by-hand.ts'

/**
 * The smallest script of API calls over kept-alive connections, polling twice a second, that does what a move must do
 * for users: traffic closed, application stopped, database moved without loss, application started, traffic opened. No
 * plan, no approval, no lock, no journal, no proof; the cache of the new site is left empty. It runs without guards
 * (`guards.ts`). Returns how long it took; milliseconds.
 */
export async function scriptedSwitchover(stack: LabStack, lab: LabEnvironment, ends: Ends): Promise<number> {
  const begun = performance.now()
  const [from, to] = [stack.admin[ends.from], stack.admin[ends.to]]
  const [old, next] = [`pg-${ends.from}`, `pg-${ends.to}`]
  await setTraffic(lab, 'be_none')
  await scaleApplication(from, 0)
  await until('the application to be gone', TWICE_A_SECOND, () => applicationIsGone(from))
  await from.patch(cluster(old), { spec: { replica: { primary: next, source: next, promotionToken: null } } })
  const token = await until('the demotion token', TWICE_A_SECOND, async () => {
    const found = (await from.get(cluster(old))) as unknown as ClusterStatus
    return found.status.switchReplicaClusterStatus?.inProgress === true ? undefined : found.status.demotionToken
  })
  const redo = (JSON.parse(Buffer.from(token, 'base64').toString()) as { latestCheckpointREDOLocation: string })
    .latestCheckpointREDOLocation
  const pod = ((await to.get(cluster(next))) as unknown as ClusterStatus).status.currentPrimary
  await until('the position of the token', TWICE_A_SECOND, async () => {
    await psql(to, pod, 'CHECKPOINT')
    return (await psql(to, pod, 'SELECT redo_lsn FROM pg_control_checkpoint()')) === redo
  })
  await to.patch(cluster(next), { spec: { replica: { primary: next, promotionToken: token } } })
  await until('the promotion', TWICE_A_SECOND, async () => {
    const found = (await to.get(cluster(next))) as unknown as ClusterStatus
    return found.status.lastPromotionToken === token && (await takesClients(to, next))
  })
  await scaleApplication(to, 1)
  await until('the application', TWICE_A_SECOND, () => applicationIsReady(to))
  await setTraffic(lab, ends.to)
  const greenMs = performance.now() - begun
  // Not timed: what keeps the next run from failing.
  await to.patch(cluster(next), { spec: { replica: { promotionToken: null } } })
  await psql(to, pod, 'CHECKPOINT')
  return greenMs
}

/**
 * The smallest failover: the operator promotes the replica on request, and nothing else is done.
 * Timed until the new primary takes clients, its restart included; the stack is then brought to what it is after a
 * failover, so that a rejoin can follow. Milliseconds.
 */
export async function operatorPromotion(stack: LabStack, lab: LabEnvironment, to: SiteName): Promise<number> {
  const [kubernetes, next] = [stack.admin[to], `pg-${to}`]
  // The guard of the new site would shut what is opened beside the witness.
  await tellWitness(stack, to)
  const begun = performance.now()
  await kubernetes.patch(cluster(next), { spec: { replica: { primary: next, promotionToken: null } } })
  await until('the promotion', TWICE_A_SECOND, () => takesClients(kubernetes, next))
  const greenMs = performance.now() - begun
  await scaleApplication(kubernetes, 1)
  await until('the application', TWICE_A_SECOND, () => applicationIsReady(kubernetes))
  await setTraffic(lab, to)
  return greenMs
}
