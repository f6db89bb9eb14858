import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, describe, expect, jest, test } from '@jest/globals'
import { type Asking, askedAgain } from '../../../src/clients/asked-again.ts'
import type { KubernetesClient } from '../../../src/clients/kubernetes-client.ts'
import { openObjectStore } from '../../../src/clients/object-store.ts'
import type { Way } from '../../../src/clients/patience.ts'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { awakeClock } from '../../support/awake-clock.ts'
import { eventually } from '../../support/eventually.ts'
import { kubeconfigOf } from '../../support/kubeconfig.ts'

const NEAR: Way = { roundTrip: 5 }
const FAR: Way = { roundTrip: 1_500 }
const signal = new AbortController().signal

/** What is asked of a server that a test plays, question by question. */
interface Question extends Asking {
  answer(with_: string): void
  fail(why: string): void
}

describe('a question that changes nothing', () => {
  afterEach(() => void jest.useRealTimers())

  /** With a clock that the test moves on: what has been asked so far, and what came of it. */
  function asking(way: Way): {
    readonly asked: Question[]
    ended(): string | undefined
    later(ms: number): Promise<void>
  } {
    jest.useFakeTimers()
    const asked: Question[] = []
    let ended: string | undefined
    const ask = (one: Asking): Promise<string> =>
      new Promise((answer, reject) => {
        asked.push({ ...one, answer, fail: (why) => reject(new Error(why)) })
        one.heard()
      })
    askedAgain(way, signal, ask).then(
      (answer) => (ended = answer),
      (error: Error) => (ended = error.message),
    )
    return { asked, ended: () => ended, later: (ms) => jest.advanceTimersByTimeAsync(ms) }
  }

  test('is put a second time when nothing came for 8 s over a way of 1.5 s, and never a third time', async () => {
    const { asked, later } = asking(FAR)
    await later(7_900)
    expect(asked.map(({ second }) => second)).toEqual([false])
    await later(1_100)
    expect(asked.map(({ second }) => second)).toEqual([false, true])
    await later(120_000)
    expect(asked).toHaveLength(2)
  })

  test('is not put again while parts of its answer come', async () => {
    const { asked, ended, later } = asking(NEAR)
    for (let part = 0; part < 10; part++) {
      await later(4_000)
      asked[0]?.heard()
    }
    asked[0]?.answer('whole')
    await later(0)
    expect([asked.length, ended()]).toEqual([1, 'whole'])
  })

  test('is not put again where no connection ever stood: that is silence, and who connects judges it', async () => {
    const { asked, later } = asking({ roundTrip: null })
    await later(60_000)
    expect(asked).toHaveLength(1)
  })

  test.each([0, 1])(
    'ends with the answer that comes first, number %i, and gives the other question up',
    async (which) => {
      const { asked, ended, later } = asking(NEAR)
      await later(6_000)
      asked[which]?.answer(`answer ${which}`)
      await later(0)
      expect([ended(), asked.map((one) => one.signal.aborted)]).toEqual([`answer ${which}`, [true, true]])
    },
  )

  test('waits for the other question where one of the two fails, and says why the first one failed', async () => {
    const one = asking(NEAR)
    await one.later(6_000)
    one.asked[0]?.fail('cut')
    await one.later(1_000)
    expect(one.ended()).toBeUndefined()
    one.asked[1]?.answer('answered')
    await one.later(0)
    expect(one.ended()).toBe('answered')

    const other = asking(NEAR)
    await other.later(6_000)
    other.asked[1]?.fail('of the second')
    await other.later(0)
    expect(other.ended()).toBeUndefined()
    other.asked[0]?.fail('of the first')
    await other.later(0)
    expect(other.ended()).toBe('of the first')
  })

  test('that failed before it was put again is not put again', async () => {
    const { asked, ended, later } = asking(NEAR)
    await later(4_000)
    asked[0]?.fail('refused')
    await later(60_000)
    expect([asked.length, ended()]).toEqual([1, 'refused'])
  })
})

const servers: Server[] = []
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
})

/** Answers on every connection but the first one, which falls silent after its first answer. */
async function serverThatFallsSilent() {
  const connections: IncomingMessage['socket'][] = []
  const seen: string[] = []
  const answer = ({ method, url, socket }: IncomingMessage, response: ServerResponse): void => {
    const number = connections.indexOf(socket)
    seen.push(`${method} ${number === 0 ? 'first' : 'other'}`)
    if (number === 0 && url?.includes('quiet')) return
    response
      .writeHead(200, { etag: '"1"', date: new Date().toUTCString() })
      .end(JSON.stringify({ metadata: { uid: 'u' } }))
  }
  const server = createServer({ keepAliveTimeout: 60_000 }, answer).on('connection', (socket) =>
    connections.push(socket),
  )
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  servers.push(server)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections, seen }
}

const configMap = (name: string) =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespace: 'a', name }) as const
const kubernetesAt = (url: string): KubernetesClient =>
  openKubernetes({ site: 'dc-a', kubeconfig: kubeconfigOf({ url, cluster: 'insecure-skip-tls-verify: true' }), signal })

describe('a connection that falls silent', () => {
  test.concurrent('costs a read of an API server five seconds, over one connection more, and is closed', async () => {
    const { url, connections, seen } = await serverThatFallsSilent()
    const client = kubernetesAt(url)
    await client.get(configMap('known'))
    const took = awakeClock()
    expect(await client.get(configMap('quiet'))).toMatchObject({ metadata: { uid: 'u' } })
    expect(took()).toBeLessThan(9_000)
    expect(seen).toEqual(['GET first', 'GET first', 'GET other'])
    expect(connections).toHaveLength(2)
    await eventually('the silent connection to be closed', async () => connections[0]?.destroyed === true, 5_000)
  })

  test.concurrent('does not bring a change a second time: it fails at its deadline', async () => {
    const { url, seen } = await serverThatFallsSilent()
    const client = kubernetesAt(url)
    await client.get(configMap('known'))
    await expect(client.patch(configMap('quiet'), {}, { deadline: 7_000 })).rejects.toMatchObject({
      code: 'site-unreachable',
    })
    expect(seen).toEqual(['GET first', 'PATCH first'])
  })

  test.concurrent('costs a read of an object store five seconds, over one connection more; a write fails', async () => {
    const { url, connections, seen } = await serverThatFallsSilent()
    const way = { roundTrip: 5, asking: () => ({ end: () => undefined }), settled: async () => undefined }
    const access = { endpoint: url, region: 'r', bucket: 'b', prefix: '', accessKeyId: 'a', secretAccessKey: 's' }
    const store = openObjectStore(access, way)
    expect(await store.get('quiet')).toMatchObject({ version: '"1"' })
    expect([seen, connections.length]).toEqual([['GET first', 'GET other'], 2])
    const other = await serverThatFallsSilent()
    const written = openObjectStore({ ...access, endpoint: other.url }, way).put('quiet', 'body', { deadline: 7_000 })
    await expect(written).rejects.toMatchObject({ code: 'object-store-unreachable' })
    expect(other.seen).toEqual(['PUT first'])
  })
})
