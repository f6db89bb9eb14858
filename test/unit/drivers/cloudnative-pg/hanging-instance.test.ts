import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, jest, test } from '@jest/globals'
import { type SiteName, siteOf } from '../../../../src/domain/stack.ts'
import { observeCluster } from '../../../../src/drivers/cloudnative-pg/observe.ts'
import { drivers } from '../../../../src/drivers/registry.ts'
import { closeSite } from '../../../../src/guard/close-site.ts'
import { guardContext } from '../../../../src/guard/reach.ts'
import { OBSERVATION_DEADLINE } from '../../../../src/observation/observe.ts'
import { openKubernetes } from '../../../../src/platform/kubernetes/client/open.ts'
import { KUBERNETES } from '../../../../src/platform/kubernetes/key.ts'
import { kubernetesPlatform } from '../../../../src/platform/kubernetes/platform.ts'
import type { ConditionalStore } from '../../../../src/witness/conditional-store.ts'
import { awakeClock } from '../../../support/awake-clock.ts'
import { around as kitContext } from '../../../support/flat/around.ts'
import { kubeconfigOf } from '../../../support/kubeconfig.ts'
import { toyClock } from '../../../support/toy-stack.ts'
import { cluster } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

jest.setTimeout(20_000)

const [dcA, dcB] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const database = theDatabase()
const stack = { ...databaseStack(database), components: [database as never] }
const ending = new AbortController()
const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

/**
 * An API server that answers for a primary whose kubelet is gone: the pod proxy takes the question and never says a
 * word.
 */
async function behindDeadKubelet() {
  const patches: unknown[] = []
  const live = {
    ...cluster('pg-dc-a'),
    metadata: { name: 'pg-dc-a', namespace: 'infisical', uid: 'uid', resourceVersion: '7' },
  }
  const server = createServer(async (request, response) => {
    const path = request.url ?? ''
    if (path.includes('/proxy/')) return
    if (request.method === 'PATCH') {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      patches.push(JSON.parse(body))
    }
    const of = (): unknown => {
      if (path.includes('/namespaces/kube-system')) return { metadata: { name: 'kube-system', uid: 'uid-dc-a' } }
      if (path.includes('/clusters/')) return live
      return { metadata: {}, items: [] }
    }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(of()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const kubeconfig = kubeconfigOf({ url, cluster: 'insecure-skip-tls-verify: true' })
  const kubernetes = openKubernetes({ site: dcA, kubeconfig, signal: ending.signal })
  const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  const context = guardContext({
    stack,
    site: dcA,
    platform: { name: KUBERNETES.platform, client: kubernetes },
    store: {} as ConditionalStore,
    clock: toyClock(),
    log,
    // Only ends a test that hangs: what may take how long is asserted below.
    signal: AbortSignal.timeout(50_000),
  })
  return { context, patches }
}

test('a primary whose instance hangs is seen as what its Cluster says, within the time of an observation', async () => {
  const { context } = await behindDeadKubelet()
  const took = awakeClock()
  const seen = await observeCluster(database, dcA, kitContext(context))
  expect(took()).toBeLessThan(OBSERVATION_DEADLINE)
  expect(seen).toMatchObject({
    kind: 'answering',
    role: 'unknown',
    health: 'down',
    state: { isReplica: false, instance: null },
  })
})

test('a guard sends its fence to a primary whose instance hangs', async () => {
  const { context, patches } = await behindDeadKubelet()
  const closing = new AbortController()
  const door = {
    stack,
    site: dcA,
    drivers,
    identify: kubernetesPlatform.reach(siteOf(stack, dcA), context).identify,
    context: { ...context, signal: AbortSignal.any([context.signal, closing.signal]) },
  }
  const closed = closeSite(door, dcB, async () => true)
  for (let tries = 0; tries < 100 && patches.length === 0; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
  closing.abort()
  await closed
  expect(patches).toMatchObject([{ metadata: { annotations: { 'cnpg.io/fencedInstances': '["*"]' } } }])
})
