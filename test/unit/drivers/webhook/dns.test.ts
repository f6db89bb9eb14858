import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type DnsBridge, startDnsBridge } from '../../../../lab/wan/dns-bridge.ts'
import { askOverHttp, type HttpRequest } from '../../../../src/clients/http-question.ts'
import { systemClock } from '../../../../src/composition/connect.ts'
import { EVERYWHERE } from '../../../../src/domain/observed.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { Routing } from '../../../../src/drivers/webhook/spec.ts'
import { selfSigned } from '../../../support/certificate.ts'
import { type Dns, startDns } from '../../../support/dns.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { webhook } from '../../../support/flat/drivers.ts'
import { performStep } from '../../../support/perform-step.ts'
import { toyStack } from '../../../support/toy-stack.ts'

/** Seconds that resolvers keep an answer. */
const TTL = 4
const [DC_A, DC_B, NOWHERE] = ['192.0.2.10', '192.0.2.20', '192.0.2.1']
const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const tls = selfSigned()

let dns: Dns
let bridge: DnsBridge
beforeAll(async () => {
  dns = await startDns('example.test', { app: DC_A }, TTL)
  bridge = await startDnsBridge(dns, { token: 'the-token', tls })
}, 60_000)
afterAll(async () => {
  await bridge?.close()
  await dns?.stop()
})

function record(): Routing {
  const call = { url: bridge.url('app'), token: { env: 'TOKEN' }, authority: { env: 'CA' } }
  const set = { ...call, method: 'PUT' as const, body: { content: '{value}', ttl: TTL } }
  return {
    name: 'dns',
    driver: 'webhook',
    needs: [],
    spec: {
      sites: { 'dc-a': DC_A, 'dc-b': DC_B },
      closed: NOWHERE,
      observe: { ...call, answer: '/content' },
      open: set,
      close: set,
      ttl: `${TTL}s`,
    },
  }
}

const signal = AbortSignal.timeout(120_000)
const context = {
  stack: toyStack,
  signal,
  clock: systemClock,
  log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
  credential: async ({ env }: { env: string }) => ({ TOKEN: 'the-token', CA: tls.cert })[env] ?? '',
  http: (request: HttpRequest) => askOverHttp(request, [signal]),
} as unknown as FlatContext

async function perform(action: string) {
  const component = record()
  const states = { [EVERYWHERE]: await webhook.observe(component, null, context) }
  const step = webhook.move?.(component, states, intent, toyStack).find((one) => one.action === action)
  if (step === undefined) throw new Error(`no step ${action}`)
  const run = { step, component, intent, context, signal, begunAt: '', applied: false, proofOf: () => null }
  return performStep(webhook.behaviours[action] as never, run as unknown as FlatRun, 60_000)
}

test('a DNS record is closed when no resolver can give the old site any more, and then leads to the new one', async () => {
  // A resolver of users has the answer in its memory when the move begins.
  expect(await dns.resolve('app')).toBe(DC_A)
  await perform('close')
  expect(await dns.resolve('app')).toBe(NOWHERE)
  await perform('switch')
  expect(await (await askOverHttp(question(), [signal])).body).toContain(DC_B)
  await new Promise((resolve) => setTimeout(resolve, (TTL + 1) * 1_000))
  expect(await dns.resolve('app')).toBe(DC_B)
}, 60_000)

const question = (): HttpRequest => ({
  method: 'GET',
  url: bridge.url('app'),
  headers: { authorization: 'Bearer the-token' },
  deadline: 5_000,
  authority: tls.cert,
})
