import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { seconds } from '../../../src/values/duration.ts'
import type { Behaviour, FlatRun } from '../../support/flat/behaviour.ts'
import { kubeconfigOf } from '../../support/kubeconfig.ts'
import { performStep, takeStepBack } from '../../support/perform-step.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

type Answer = (response: ServerResponse) => void
const status =
  (code: number, reason: string, more: object = {}, headers: Record<string, string> = {}): Answer =>
  (response) => {
    const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: reason, ...more }
    response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }

/** What an API server answers to a change while its webhook cannot be called: taken from kube-apiserver 1.34. */
const WEBHOOK_AWAY = status(500, 'InternalError', {
  message: 'Internal error occurred: failed calling webhook "mcluster.cnpg.io": connect: connection refused',
  details: { causes: [{ message: 'failed calling webhook "mcluster.cnpg.io": connect: connection refused' }] },
})

/** A step whose patch and questions meet an API server that is in trouble from the first change on, for so long. */
async function stepAgainst(trouble: Answer, lasts: number) {
  const tries: number[] = []
  let [begun, value] = [0, 'before']
  const server = createServer((request, response) => {
    const at = performance.now()
    const changes = request.method === 'PATCH'
    if (changes) tries.push(at)
    if (changes && begun === 0) begun = at
    if (begun > 0 && at < begun + lasts) return trouble(response)
    if (changes) value = value === 'before' ? 'after' : 'before'
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'a', resourceVersion: '1' },
        data: { value },
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const signal = new AbortController().signal
  const client = openKubernetes({
    site: 'dc-b',
    kubeconfig: kubeconfigOf({ url, cluster: 'insecure-skip-tls-verify: true' }),
    signal,
  })
  const ref = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespace: 'default', name: 'a' }
  const behaviour: Behaviour = {
    async done() {
      const found = (await client.get(ref)) as { readonly data?: { readonly value?: string } } | null
      return found?.data?.value === 'after' ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: 'the change' }
    },
    apply: async () => void (await client.patch(ref, { data: {} })),
    undo: async () => void (await client.patch(ref, { data: {} })),
  }
  const run = {
    step: { id: 'database.promote@dc-b', site: 'dc-b' },
    context: { log: { debug: () => undefined } },
    signal,
  }
  return { tries, behaviour, run: run as unknown as FlatRun }
}

const TROUBLE: readonly (readonly [string, Answer])[] = [
  ['a webhook that is away', WEBHOOK_AWAY],
  ['an API server on its way up', status(503, 'ServiceUnavailable')],
  ['one that names a time', status(503, 'ServiceUnavailable', {}, { 'retry-after': '1' })],
  ['one that has too much to do', status(429, 'TooManyRequests', { details: { retryAfterSeconds: 1 } })],
  ['an etcd that does not answer in time', status(504, 'Timeout')],
  ['a load balancer without a server', (response) => response.writeHead(502).end('Bad Gateway')],
  ['a connection that breaks', (response) => response.destroy()],
]

describe('a step ends done within its deadline, whatever lasts for three seconds', () => {
  test.each(TROUBLE)('%s', async (_, trouble) => {
    const { behaviour, run, tries } = await stepAgainst(trouble, seconds(3))
    expect(await performStep(behaviour, run, seconds(20))).toMatchObject({ outcome: 'done' })
    expect(tries.length).toBeGreaterThan(1)
  })
})

test('a step is taken back through the same trouble', async () => {
  const { behaviour, run } = await stepAgainst(WEBHOOK_AWAY, seconds(3))
  await expect(takeStepBack(behaviour, run, seconds(20))).resolves.toBeUndefined()
})

test('an API server is not asked again before the time that it names', async () => {
  const { behaviour, run, tries } = await stepAgainst(
    status(429, 'TooManyRequests', {}, { 'retry-after': '2' }),
    seconds(1),
  )
  await performStep(behaviour, run, seconds(20))
  expect((tries[1] ?? 0) - (tries[0] ?? 0)).toBeGreaterThan(1_950)
})

const REFUSALS: readonly (readonly [string, Answer])[] = [
  ['a right that is lacking', status(403, 'Forbidden')],
  ['a change that is invalid', status(422, 'Invalid')],
  [
    'a webhook that says no',
    status(403, 'Forbidden', { message: 'admission webhook "vcluster.cnpg.io" denied the request' }),
  ],
  [
    'a field that another manager owns',
    status(409, 'Conflict', { details: { causes: [{ reason: 'FieldManagerConflict', field: '.spec.replicas' }] } }),
  ],
]

describe('a step stops at the first try', () => {
  test.each(REFUSALS)('%s', async (_, refusal) => {
    const { behaviour, run, tries } = await stepAgainst(refusal, seconds(60))
    await expect(performStep(behaviour, run, seconds(20))).rejects.toMatchObject({ retry: 'never' })
    expect(tries).toHaveLength(1)
  })
})
