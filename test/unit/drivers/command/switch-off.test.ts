import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { askOverHttp, type HttpRequest } from '../../../../src/clients/http-question.ts'
import { runProcess } from '../../../../src/clients/process.ts'
import { systemClock } from '../../../../src/composition/connect.ts'
import { EVERYWHERE } from '../../../../src/domain/observed.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { Call, CommandSpec, PowerControl } from '../../../../src/drivers/command/spec.ts'
import { judge } from '../../../../src/stack/check-schema.ts'
import { componentSchema } from '../../../../src/stack/schema.ts'
import { selfSigned } from '../../../support/certificate.ts'
import type { Behaviour, FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { command } from '../../../support/flat/drivers.ts'
import { performStep } from '../../../support/perform-step.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const intent: Intent = { mode: 'failover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const pair = selfSigned()
const credentials: Record<string, string> = { TOKEN: 'the-token', PASSWORD: 'the-password', CA: pair.cert }
const ending: (() => void)[] = []
afterEach(() => {
  for (const end of ending.splice(0)) end()
})

function control(off: Call, isOff: Call, timeout = '2s'): PowerControl {
  const calls = { off, isOff }
  return { name: 'power', driver: 'command', needs: [], spec: { timeout, sites: { 'dc-a': calls, 'dc-b': calls } } }
}
function contextOf(): FlatContext {
  const { signal } = new AbortController()
  return {
    stack: toyStack,
    signal,
    clock: systemClock,
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    credential: async (reference: { env: string }) => credentials[reference.env] ?? '',
    run: (program: string, args: readonly string[], options: Parameters<typeof runProcess>[2]) =>
      runProcess(program, args, options),
    http: (request: HttpRequest) => askOverHttp(request, [signal]),
  } as unknown as FlatContext
}
const runOf = (component: PowerControl): FlatRun<CommandSpec> => {
  const context = contextOf()
  const [step] = command.move?.(component, {}, intent, toyStack) ?? []
  if (step === undefined) throw new Error('no step')
  return { step, component, intent, context, signal: context.signal, begunAt: '', applied: false, proofOf: () => null }
}
const switchOff = (component: PowerControl, deadline = 10_000) =>
  performStep(
    command.behaviours['switch-off'] as unknown as Behaviour,
    runOf(component) as unknown as FlatRun,
    deadline,
  )

/** A program of the user: it keeps its state in a file, and writes down how it was called. */
function pdu(body: string): { readonly path: string; readonly state: string; readonly calls: string } {
  const folder = temporaryFolder()
  const [path, state, calls] = [join(folder, 'pdu'), join(folder, 'state'), join(folder, 'calls')]
  writeFileSync(path, `#!/bin/sh\nSTATE=${state}\necho "$# $*" >> ${calls}\n${body}\n`)
  chmodSync(path, 0o755)
  return { path, state, calls }
}
const HONEST =
  'case "$1" in off) touch $STATE; echo switched;; is-off) [ -e $STATE ] && { echo "outlet 7 off"; exit 0; }; exit 1;; esac'

async function web(answer: (request: IncomingMessage, response: ServerResponse, off: { now: boolean }) => void) {
  const off = { now: false }
  const seen: {
    readonly url: string
    readonly authorization: string | undefined
    readonly method: string | undefined
  }[] = []
  const server: Server = createServer(pair, (request, response) => {
    request.resume()
    seen.push({ url: request.url ?? '', authorization: request.headers.authorization, method: request.method })
    answer(request, response, off)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ending.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const at = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const call = (path: string): Call => ({ post: `${at}${path}`, token: { env: 'TOKEN' }, authority: { env: 'CA' } })
  return { seen, at, call }
}

describe('a program', () => {
  test('switches the site off, and the step is done only when the program says so itself', async () => {
    const { path, calls } = pdu(HONEST)
    const { outcome, proof } = await switchOff(control({ run: [path, 'off'] }, { run: [path, 'is-off'] }))
    expect(outcome).toBe('done')
    expect(proof).toMatchObject({ site: 'dc-a', off: true, answer: 'exit code 0: outlet 7 off' })
    expect(readFileSync(calls, 'utf8').trim().split('\n')).toEqual(['1 is-off', '1 off', '1 is-off'])
  })
  test('gets its arguments as they are declared: no shell reads them', async () => {
    const { path, state, calls } = pdu(HONEST)
    await switchOff(control({ run: [path, 'off', '$(touch pwned); rm -rf *', 'two words'] }, { run: [path, 'is-off'] }))
    expect(readFileSync(calls, 'utf8')).toContain('3 off $(touch pwned); rm -rf * two words\n')
    expect(existsSync(join(state, '..', 'pwned'))).toBe(false)
  })
  test('gets its password in its environment, never as an argument', async () => {
    const { path } = pdu(`[ "$PDU_PASSWORD" = the-password ] || exit 7\n${HONEST}`)
    const environment = { PDU_PASSWORD: { env: 'PASSWORD' } }
    await expect(
      switchOff(control({ run: [path, 'off'], environment }, { run: [path, 'is-off'], environment })),
    ).resolves.toMatchObject({
      outcome: 'done',
    })
  })
  test('that was successful and switched nothing off proves nothing', async () => {
    const { path } = pdu('case "$1" in off) exit 0;; is-off) echo "outlet 7 on"; exit 1;; esac')
    await expect(switchOff(control({ run: [path, 'off'] }, { run: [path, 'is-off'] }), 1_500)).rejects.toMatchObject({
      code: 'step-timeout',
      message: expect.stringContaining('outlet 7 on'),
    })
  })
  test('whose question fails is no proof either: an exit code that is neither yes nor no is no answer', async () => {
    const { path } = pdu('case "$1" in off) exit 0;; is-off) echo "no route to the PDU" >&2; exit 2;; esac')
    await expect(switchOff(control({ run: [path, 'off'] }, { run: [path, 'is-off'] }), 1_500)).rejects.toMatchObject({
      code: 'step-timeout',
      message: expect.stringContaining('no route to the PDU'),
    })
  })
  test('that refuses is reported with its last words', async () => {
    const { path } = pdu('case "$1" in off) echo "outlet is locked" >&2; exit 9;; is-off) exit 1;; esac')
    await expect(switchOff(control({ run: [path, 'off'] }, { run: [path, 'is-off'] }))).rejects.toMatchObject({
      code: 'power-control-failed',
      message: 'dc-a was not switched off: exit code 9: outlet is locked',
    })
  })
  test('that hangs after it has switched the site off is asked whether it did, and not called again', async () => {
    const { path, calls } = pdu(
      'case "$1" in off) touch $STATE; sleep 60;; is-off) [ -e $STATE ] && exit 0; exit 1;; esac',
    )
    const done = await switchOff(control({ run: [path, 'off'] }, { run: [path, 'is-off'] }, '1s'), 20_000)
    expect(done).toMatchObject({ outcome: 'done', proof: { off: true } })
    expect(readFileSync(calls, 'utf8').match(/ off$/gm)).toHaveLength(1)
  }, 30_000)
  test('that hangs and switches nothing off is tried until the deadline of its step, which says so', async () => {
    const { path } = pdu('case "$1" in off) sleep 60;; is-off) exit 1;; esac')
    await expect(
      switchOff(control({ run: [path, 'off'] }, { run: [path, 'is-off'] }, '300ms'), 3_000),
    ).rejects.toMatchObject({
      code: 'step-timeout',
      message: expect.stringContaining('within 300 ms'),
    })
  }, 30_000)
  test('is not called again where the site is off already', async () => {
    const { path, state, calls } = pdu(HONEST)
    writeFileSync(state, '')
    await expect(switchOff(control({ run: [path, 'off'] }, { run: [path, 'is-off'] }))).resolves.toMatchObject({
      outcome: 'was-done',
    })
    expect(readFileSync(calls, 'utf8')).toBe('1 is-off\n')
  })
})

describe('a webhook', () => {
  test('is posted to with its token over TLS, and its own answer is the proof', async () => {
    const { seen, call } = await web((request, response, off) => {
      if (request.url === '/off') off.now = true
      response.end(JSON.stringify({ off: off.now }))
    })
    const { proof } = await switchOff(control(call('/off'), call('/state')))
    expect(proof).toMatchObject({ off: true, answer: 'HTTP 200, off: true' })
    expect(new Set(seen.map(({ authorization, method }) => `${method} ${authorization}`))).toEqual(
      new Set(['POST Bearer the-token']),
    )
  })
  test('whose answer is lost after the effect is asked, not repeated blindly', async () => {
    const { seen, call } = await web((request, response, off) => {
      if (request.url !== '/off') return void response.end(JSON.stringify({ off: off.now }))
      off.now = true
      request.socket.destroy()
    })
    await expect(switchOff(control(call('/off'), call('/state')))).resolves.toMatchObject({ outcome: 'done' })
    expect(seen.filter(({ url }) => url === '/off').length).toBe(1)
  })
  test('that leads elsewhere is not followed: the token belongs to the declared address', async () => {
    const { seen, at, call } = await web((request, response) => {
      if (request.url === '/off') return void response.writeHead(307, { location: `${at}/thief` }).end()
      response.end('{"off":false}')
    })
    await expect(switchOff(control(call('/off'), call('/state')))).rejects.toMatchObject({
      code: 'power-control-failed',
    })
    expect(seen.some(({ url }) => url === '/thief')).toBe(false)
  })
  test('that says anything but a plain yes says nothing', async () => {
    for (const body of ['{"off":"true"}', '{"off":1}', 'off', '', '{"on":false}']) {
      const { call } = await web((_, response) => void response.end(body))
      const state = await command.observe(control(call('/off'), call('/state')), null, contextOf())
      expect(state).toMatchObject({ kind: 'answering', state: { off: { 'dc-a': { off: null } } } })
    }
  })
  test('whose certificate comes from an unknown authority is not trusted', async () => {
    const { call, seen } = await web((_, response) => void response.end('{"off":true}'))
    const { authority: _, ...careless } = call('/state') as { authority: unknown; post: string; token: { env: string } }
    const state = await command.observe(control(careless, careless), null, contextOf())
    expect(state).toMatchObject({ state: { off: { 'dc-a': { off: null } } } })
    expect(seen).toEqual([])
  })
  test('without TLS is refused by the stack file', () => {
    const spec = control({ post: 'http://power.example.com/off', token: { env: 'TOKEN' } }, { run: ['true'] }).spec
    const value = { driver: 'command', ...JSON.parse(JSON.stringify(spec)) }
    expect(judge(componentSchema(command as never), value, []).problems.length).toBeGreaterThan(0)
  })
})

describe('a failover', () => {
  const component = control({ run: ['/bin/true'] }, { run: ['/bin/false'] })
  test('reaches the level power by a step that belongs to no site; no other mode plans one', () => {
    expect(command.move?.(component, {}, intent, toyStack)).toMatchObject([
      { fence: 'power', site: null, phase: 'FENCE', irreversible: true },
    ])
    for (const mode of ['switchover', 'rejoin'] as const)
      expect(command.move?.(component, {}, { ...intent, mode }, toyStack)).toEqual([])
  })
  test('names the addresses of its questions, so that a slow way is not taken for silence', () => {
    const asked: Call = { post: 'https://power.example/is-off', token: { env: 'TOKEN' } }
    const { addresses } = command
    expect(addresses?.(control({ run: ['/bin/true'] }, asked), null)).toEqual([asked.post, asked.post])
    expect(addresses?.(component, null)).toEqual([])
  })
  test('counts a site that is switched off as down, and one with power as nothing', async () => {
    const states = (off: boolean | null) => ({
      [EVERYWHERE]: {
        kind: 'answering' as const,
        state: { off: { 'dc-a': { off, text: '' } } },
        role: 'unknown' as const,
        health: 'healthy' as const,
        text: '',
        facts: [],
      },
    })
    expect(command.sees?.(component, states(true), 'dc-a' as SiteName)).toMatchObject([{ says: 'down' }])
    for (const off of [false, null]) expect(command.sees?.(component, states(off), 'dc-a' as SiteName)).toEqual([])
  })
  test('never switches a site on again', () => {
    expect(
      Object.values(command.behaviours)
        .flatMap((behaviour) => Object.keys(behaviour))
        .sort(),
    ).toEqual(['apply', 'done'])
  })
})
