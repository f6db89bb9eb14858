import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import { askOverHttp, type HttpRequest } from '../../../../src/clients/http-question.ts'
import { runProcess } from '../../../../src/clients/process.ts'
import { EVERYWHERE, type Observed } from '../../../../src/domain/observed.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { RoutingState } from '../../../../src/drivers/webhook/observe.ts'
import type { Routing, WebhookSpec } from '../../../../src/drivers/webhook/spec.ts'
import type { Clock } from '../../../../src/runtime/clock.ts'
import { judge } from '../../../../src/stack/check-schema.ts'
import { componentSchema } from '../../../../src/stack/schema.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { webhook } from '../../../support/flat/drivers.ts'
import { performStep, takeStepBack } from '../../../support/perform-step.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const switchover: Intent = { mode: 'switchover', from: A, to: B }
const failover: Intent = { mode: 'failover', from: A, to: B }

/** A router of the enterprise: it keeps the pool, and writes down each question. */
interface Router {
  pool: unknown
  /** What it does with the next change. */
  fails: 'no' | 'refuses' | 'loses-answer' | 'is-silent'
  readonly asked: string[]
  readonly url: string
  readonly server: Server
}
const running: Router[] = []
afterEach(async () => {
  for (const { server } of running.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

async function router(pool: unknown): Promise<Router> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    router.asked.push(`${request.method} ${request.url} ${request.headers['x-api-key'] ?? ''} ${body}`.trim())
    if (router.fails === 'is-silent') return
    if (request.method === 'GET') return void response.end(JSON.stringify({ routes: [{ pool: router.pool }] }))
    if (router.fails === 'refuses') return void response.writeHead(409).end()
    router.pool = (JSON.parse(body) as { pool: string }).pool
    if (router.fails === 'loses-answer') return void response.destroy()
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/routes/app`
  const router: Router = { pool, fails: 'no', asked: [], url, server }
  running.push(router)
  return router
}

function routing(url: string, more: Partial<WebhookSpec> = {}): Routing {
  const set = { method: 'PUT' as const, url, body: { pool: '{value}' }, expect: [204] }
  const spec: WebhookSpec = {
    sites: { 'dc-a': 'pool-a', 'dc-b': 'pool-b' },
    closed: 'sorry',
    observe: { url, answer: '/routes/0/pool' },
    open: set,
    close: set,
    timeout: '1s',
    ...more,
  }
  return { name: 'routing', driver: 'webhook', needs: [], spec }
}

/** Time that passes when the test says so, and by itself as the machine's does. */
function clock(): Clock & { pass(ms: number): void } {
  let ahead = 0
  return {
    now: () => new Date(Date.now() + ahead),
    sleep: async () => new Promise((resolve) => setTimeout(resolve, 5)),
    pass(ms: number) {
      ahead += ms
    },
  } as Clock & { pass(ms: number): void }
}

function contextOf(own: Clock = clock()): FlatContext {
  const { signal } = new AbortController()
  return {
    stack: toyStack,
    signal,
    clock: own,
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    credential: async () => 'secret',
    run: (program: string, args: readonly string[], options: Parameters<typeof runProcess>[2]) =>
      runProcess(program, args, options),
    http: (request: HttpRequest) => askOverHttp(request, [signal]),
  } as unknown as FlatContext
}

const observe = (component: Routing): Promise<Observed<RoutingState>> =>
  webhook.observe(component, null, contextOf()) as Promise<Observed<RoutingState>>

async function stepOf(component: Routing, action: string, intent: Intent, context = contextOf()): Promise<FlatRun> {
  const states = { [EVERYWHERE]: await observe(component) }
  const plans = [webhook.move, webhook.rejoin].flatMap((plan) => plan?.(component, states, intent, toyStack) ?? [])
  const step = plans.find((one) => one.action === action)
  if (step === undefined) throw new Error(`no step ${action}`)
  const run = { step, component, intent, context, signal: context.signal, begunAt: '', applied: false }
  return { ...run, proofOf: () => null } as unknown as FlatRun
}
const perform = (run: FlatRun) => performStep(webhook.behaviours[run.step.action] as never, run, 20_000)

describe('traffic by declared calls', () => {
  test('a switchover closes, reads back that no site is served, and opens to the new site', async () => {
    const own = await router('pool-a')
    const component = routing(own.url)
    expect(await perform(await stepOf(component, 'close', switchover))).toMatchObject({
      outcome: 'done',
      proof: { value: 'sorry', serves: 'closed' },
    })
    expect(own.pool).toBe('sorry')
    expect(await perform(await stepOf(component, 'switch', switchover))).toMatchObject({ proof: { serves: 'dc-b' } })
    expect(own.pool).toBe('pool-b')
  })

  test('a closed door is believed after the TTL of the former answer, and not before', async () => {
    const own = await router('pool-a')
    const time = clock()
    const run = await stepOf(routing(own.url, { ttl: '5m' }), 'close', switchover, contextOf(time))
    const closed = perform(run)
    const early = await Promise.race([closed, new Promise((resolve) => setTimeout(() => resolve('waits'), 700))])
    expect([own.pool, early]).toEqual(['sorry', 'waits'])
    time.pass(5 * 60_000)
    const { proof } = await closed
    const [at, expiredAt] = [proof.at, proof.expiredAt].map((one) => Date.parse(String(one)))
    expect(at).toBeGreaterThanOrEqual(expiredAt ?? Number.POSITIVE_INFINITY)
  })

  test('a door that is on record as closed needs no second wait, but one that was opened since does', async () => {
    const own = await router('sorry')
    const component = routing(own.url, { ttl: '5m' })
    const run = await stepOf(component, 'close', switchover)
    const proof: JsonObject = { value: 'sorry', serves: 'closed', at: '', expiredAt: '2026-01-01T00:00:00Z' }
    const onRecord: FlatRun = { ...run, proofOf: () => proof }
    expect(await webhook.behaviours.close?.done(onRecord as never)).toMatchObject({ is: 'done' })
    own.pool = 'pool-a'
    const again: FlatRun = { ...onRecord, signal: new AbortController().signal }
    expect(await webhook.behaviours.close?.done(again as never)).toMatchObject({ is: 'pending' })
    own.pool = 'sorry'
    expect(await webhook.behaviours.close?.done(again as never)).toMatchObject({ is: 'pending' })
  })

  test('a close that is undone serves the site of before again, and none where none was served', async () => {
    const own = await router('pool-a')
    const component = routing(own.url)
    const run = await stepOf(component, 'close', switchover)
    await perform(run)
    await takeStepBack(webhook.behaviours.close as never, run)
    expect(own.pool).toBe('pool-a')
    own.pool = 'sorry'
    const shut = await stepOf(component, 'close', failover)
    await takeStepBack(webhook.behaviours.close as never, shut)
    expect(own.pool).toBe('sorry')
  })

  test('a change whose answer is lost is judged by what is read back', async () => {
    const own = await router('pool-a')
    own.fails = 'loses-answer'
    const run = await stepOf(routing(own.url), 'close', switchover)
    const behaviour = webhook.behaviours.close
    await expect(behaviour?.apply?.(run as never)).rejects.toMatchObject({ code: 'http-silent', retry: 'transient' })
    expect(await behaviour?.done(run as never)).toMatchObject({ is: 'done' })
  })

  test('a change that is refused ends the step, and names the call', async () => {
    const own = await router('pool-a')
    own.fails = 'refuses'
    const refused = perform(await stepOf(routing(own.url), 'close', switchover))
    await expect(refused).rejects.toMatchObject({ code: 'routing-refused', where: 'routing close' })
    expect(own.pool).toBe('pool-a')
  })

  test('no answer, an answer without the value, and a value of no site are never taken for a site', async () => {
    const own = await router('pool-a')
    const component = routing(own.url)
    own.fails = 'is-silent'
    expect(await observe(component)).toMatchObject({ kind: 'silent' })
    own.fails = 'no'
    for (const pool of [null, { nested: true }, '']) {
      own.pool = pool
      expect(await observe(component)).toMatchObject({ kind: 'silent' })
    }
    own.pool = 'pool-c'
    expect(await observe(component)).toMatchObject({ kind: 'answering', state: { serves: null } })
    expect(
      await webhook.behaviours.switch?.done((await stepOf(component, 'switch', switchover)) as never),
    ).toMatchObject({
      is: 'pending',
    })
  })

  test('a silent router blocks a move, and one that serves elsewhere blocks all but a failover to there', async () => {
    const own = await router('pool-b')
    const component = routing(own.url)
    const around = { activeSite: 'dc-a', now: '', stack: toyStack } as never
    const found = async (intent: Intent | null): Promise<string[]> => {
      const states = { [EVERYWHERE]: await observe(component) }
      return webhook.assess(component, states, intent, around).map(({ code, severity }) => `${code} ${severity}`)
    }
    expect(await found(switchover)).toEqual(['routing-elsewhere blocker'])
    expect(await found(failover)).toEqual(['routing-elsewhere warning'])
    expect(await found(null)).toEqual(['routing-elsewhere warning'])
    own.fails = 'is-silent'
    expect(await found(failover)).toEqual(['routing-unknown blocker'])
  })

  test('the same is done by a program, whose last line is the answer', async () => {
    const own = await router('pool-a')
    const get = ['node', '-e', `fetch('${own.url}').then((r) => r.json()).then((a) => console.log(a.routes[0].pool))`]
    const put = (value: string): string[] => [
      'node',
      '-e',
      `fetch('${own.url}', { method: 'PUT', body: JSON.stringify({ pool: process.argv[1] }) })`,
      value,
    ]
    const component = routing(own.url, {
      observe: { run: get },
      open: { run: put('{value}') },
      close: { run: put('{value}') },
      timeout: '10s',
    })
    await perform(await stepOf(component, 'close', switchover))
    await perform(await stepOf(component, 'switch', switchover))
    expect(own.pool).toBe('pool-b')
  })

  test('what no call can say is refused when the stack file is read', () => {
    const problems = (more: Partial<WebhookSpec>): string[] =>
      (webhook.validate?.(routing('https://router/x', more), toyStack, () => null) ?? []).map(({ what }) => what)
    expect(problems({})).toEqual([])
    expect(problems({ closed: 'pool-a' })[0]).toContain('closed doors')
    expect(problems({ sites: { 'dc-a': 'x', 'dc-b': 'x' } })[0]).toContain('stands for dc-a already')
    expect(problems({ open: { url: 'https://router/{sit}' } })[0]).toContain('{sit} is filled with nothing')
    expect(problems({ open: { url: 'http://router/x', token: { env: 'T' } } })[0]).toContain('https alone')
    expect(problems({ open: { url: 'https://user:word@router/x' } })[0]).toContain('no user and no password')
  })

  test('the schema takes the declared calls, and no others', () => {
    const { driver, needs, spec } = { ...routing('https://router/x'), spec: routing('https://router/x').spec }
    const schema = componentSchema(webhook as never)
    const judged = (own: object) =>
      judge(schema, { driver, needs, ...own } as never, ['components', 'routing']).problems
    expect(judged(spec)).toEqual([])
    expect(judged({ ...spec, open: { url: 'ftp://router' } })).not.toEqual([])
    expect(judged({ ...spec, open: { url: 'https://router', run: ['x'] } })).not.toEqual([])
  })
})
