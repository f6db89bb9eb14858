import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { ExecResult, KubernetesClient } from '../../../../src/clients/kubernetes-client.ts'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Finding, Intent } from '../../../../src/domain/plan.ts'
import type { CredentialReference, SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { seeCanary } from '../../../../src/drivers/helm-release/canary-seen.ts'
import { identity } from '../../../../src/drivers/helm-release/identity.ts'
import type { HelmReleaseState } from '../../../../src/drivers/helm-release/observe.ts'
import type { Application, HelmReleaseSpec } from '../../../../src/drivers/helm-release/spec.ts'
import { inputError, siteError } from '../../../../src/errors/standby-error.ts'
import { recordIdentityStep } from '../../../../src/systems/application/prove-identity.ts'
import { asPlanned, behaviourOf } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { helmRelease } from '../../../support/flat/drivers.ts'
import { theApplication } from '../../../support/helm-application.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { failover, rejoin, switchover } from '../../../support/traffic.ts'

const dcA = 'dc-a' as SiteName
const VALUE = 'sings'

/** The application as the canary sees it: the status of each of its two answers, and the value of the secret. */
let answers: { login: number; read: number; value: string }
let asked: string[]
let server: Server
let application: Application
beforeAll(async () => {
  server = createServer((request, response) => {
    const login = request.url?.includes('/auth/') === true
    asked.push(`${request.method} ${login ? 'login' : 'read'}`)
    request.resume().on('end', () => {
      const body = login ? { accessToken: 'token' } : { secret: { secretValue: answers.value } }
      response
        .writeHead(login ? answers.login : answers.read, { 'content-type': 'application/json' })
        .end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  application = theApplication({
    canary: {
      kind: 'infisical-secret',
      credentials: { clientId: { env: 'ID' }, clientSecret: { env: 'SECRET' } },
      project: { env: 'PROJECT' },
      environment: 'prod',
      name: 'CANARY',
      sha256: { env: 'SHA256' },
      port: (server.address() as AddressInfo).port,
    },
  })
})
afterAll(() => new Promise((resolve) => server.close(resolve)))
beforeEach(() => {
  answers = { login: 200, read: 200, value: VALUE }
  asked = []
})

const inPod = ([command = '', ...args]: readonly string[], stdin = ''): Promise<ExecResult> =>
  new Promise((resolve) => {
    const child = spawn(command === 'node' ? process.execPath : command, args)
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (data) => {
      stdout += data
    })
    child.stderr.on('data', (data) => {
      stderr += data
    })
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }))
    child.stdin.end(stdin)
  })

/** A site on which the application runs; `mayExec`: whether this identity may run programs in its pod. */
function contextFor(
  may: { readonly exec: boolean; readonly proxy?: boolean },
  missing: readonly string[] = [],
): FlatContext & DriverContext {
  const forbidden = siteError('kubernetes-forbidden', 'a right is lacking')
  const workload = { metadata: { namespace: 'n' }, spec: { replicas: 1, selector: { matchLabels: { app: 'a' } } } }
  const pod = {
    metadata: { name: 'app-1' },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  }
  const kubernetes = {
    get: async () => workload,
    list: async () => [pod],
    exec: async (_pod: object, argv: readonly string[], { stdin }: { stdin?: string }) => {
      if (!may.exec) throw forbidden
      return inPod(argv, stdin)
    },
    proxyPost: async ({ port, path }: { port: number; path: string }, body: object) => {
      if (may.proxy === false) throw forbidden
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body: JSON.stringify(body) })
      return { status: answer.status, body: await answer.text() }
    },
  }
  return {
    stack: toyStack,
    signal: AbortSignal.timeout(20_000),
    kubernetes: () => kubernetes as unknown as KubernetesClient,
    platform: () => kubernetes,
    credential: async (reference: CredentialReference) => {
      const name = 'env' in reference ? reference.env : 'secret'
      if (missing.includes(name)) throw inputError('credential-missing', `${name} is not set`)
      return name === 'SHA256' ? createHash('sha256').update(VALUE).digest('hex') : name
    },
  } as unknown as FlatContext & DriverContext
}
const seen = (context: DriverContext, awake = true) => seeCanary(application, dcA, awake, context)

describe('where the application serves, an observation', () => {
  test('reads the canary as a move will in the end', async () => {
    expect(await seen(contextFor({ exec: true }))).toEqual({ is: 'works', by: 'read' })
    expect(asked).toEqual(['POST login', 'GET read'])
  })

  test.each([
    ['whose client secret was revoked', { login: 401, read: 200, value: VALUE }, 'login answers 401'],
    ['that may not read the secret any more', { login: 200, read: 403, value: VALUE }, 'read answers 403'],
    ['whose secret was removed', { login: 200, read: 404, value: VALUE }, 'read answers 404'],
    ['whose secret was changed', { login: 200, read: 200, value: 'croaks' }, 'another value'],
  ])('finds a canary %s', async (_, given, why) => {
    answers = given
    expect(await seen(contextFor({ exec: true }))).toEqual({ is: 'fails', why: expect.stringContaining(why) })
  })

  test('without the right to run programs finds a revoked client secret all the same', async () => {
    expect(await seen(contextFor({ exec: false }))).toEqual({ is: 'works', by: 'login' })
    answers = { ...answers, login: 401 }
    expect(await seen(contextFor({ exec: false }))).toEqual({ is: 'fails', why: 'login answers 401' })
    expect(asked).toEqual(['POST login', 'POST login'])
  })

  test.each([
    ['too many requests', { exec: true }, 429, []],
    ['an application on its way up', { exec: false }, 503, []],
    ['no right of any kind', { exec: false, proxy: false }, 200, []],
    ['no credentials in this process', { exec: true }, 200, ['SECRET']],
  ])('calls no canary broken for %s', async (_, may, login, missing) => {
    answers = { ...answers, login }
    expect(await seen(contextFor(may, missing))).toMatchObject({ is: 'unknown' })
  })
})

describe('where nothing serves, an observation', () => {
  test('makes no request, and reports a missing Secret', async () => {
    expect(await seen(contextFor({ exec: true }), false)).toEqual({ is: 'untried' })
    expect(await seen(contextFor({ exec: true }, ['ID']), false)).toEqual({ is: 'untried' })
    const { canary } = application.spec
    if (canary === undefined) throw new Error('no canary')
    const secret = { secret: { namespace: 'n', name: 'canary', key: 'id' } }
    const bySecret = theApplication({ canary: { ...canary, credentials: { ...canary.credentials, clientId: secret } } })
    expect(await seeCanary(bySecret, dcA, false, contextFor({ exec: true }, ['secret']))).toMatchObject({
      is: 'without-credentials',
    })
    expect(asked).toEqual([])
  })
})

describe('a canary that fails', () => {
  const state = (canary: HelmReleaseState['canary']): Observed<HelmReleaseState> => ({
    kind: 'answering',
    state: {
      workload: { declared: 1, ready: 1, pods: 1, image: 'a', settled: true },
      secrets: {},
      ...(canary === undefined ? {} : { canary }),
    },
    role: 'active',
    health: 'healthy',
    text: '',
    facts: [],
  })
  const findings = (a: Observed<HelmReleaseState>, intent: Intent | null, b = state({ is: 'untried' })): Finding[] =>
    helmRelease.assess(application, { 'dc-a': a, 'dc-b': b }, intent, {
      now: '',
      objectives: toyStack.objectives,
      activeSite: 'dc-a',
      stack: toyStack,
    })
  const found = (...args: Parameters<typeof findings>): string[] =>
    findings(...args).map(({ severity, code, site }) => `${severity} ${code} ${site}`)
  const fails = state({ is: 'fails', why: 'login answers 401' })

  test('is a warning of status, and keeps a switchover from being planned', () => {
    expect(found(fails, null)).toEqual(['warning canary-fails dc-a'])
    expect(found(fails, switchover)).toEqual(['blocker canary-fails dc-a'])
    expect(found(fails, failover)).toEqual(['warning canary-fails dc-a'])
    expect(found(fails, rejoin)).toEqual([])
    expect(findings(fails, switchover)[0]?.what).toContain('login answers 401')
  })

  test('on the new site, where its credentials are missing, keeps any move from being planned', () => {
    const without = state({ is: 'without-credentials', why: 'the Secret n/canary does not exist' })
    const works = state({ is: 'works', by: 'read' })
    expect(found(works, null, without)).toEqual(['warning canary-fails dc-b'])
    expect(found(works, switchover, without)).toEqual(['blocker canary-fails dc-b'])
    expect(found(works, failover, without)).toEqual(['blocker canary-fails dc-b'])
  })

  test('cannot be known of a lost site, and a failover says so', () => {
    const silent: Observed<HelmReleaseState> = { kind: 'silent', why: 'no answer' }
    expect(found(silent, failover)).toEqual(['warning application-silent dc-a', 'info canary-unknown dc-a'])
  })

  test('that could not be tried gives a finding, and one that works gives none', () => {
    expect(found(state({ is: 'unknown', why: 'slow' }), null)).toEqual(['info canary-unknown dc-a'])
    expect(found(state({ is: 'unknown', why: 'slow' }), switchover)).toEqual(['warning canary-unknown dc-a'])
    for (const intent of [null, switchover, failover])
      expect(found(state({ is: 'works', by: 'login' }), intent)).toEqual([])
  })

  const record = (intent: Intent, missing: readonly string[] = []) =>
    behaviourOf(helmRelease, 'record-identity').done({
      step: asPlanned(application, recordIdentityStep(identity, intent.from, intent)),
      component: application,
      intent,
      context: contextFor({ exec: true }, missing),
      signal: AbortSignal.timeout(20_000),
    } as unknown as FlatRun<HelmReleaseSpec>)

  test('ends a switchover before anything is stopped', async () => {
    expect(recordIdentityStep(identity, dcA, switchover).phase).toBe('PREFLIGHT')
    expect(await record(switchover)).toEqual({ is: 'done', proof: { canary: 'decrypts' } })
    answers = { ...answers, login: 401 }
    expect(await record(switchover)).toMatchObject({
      is: 'failed',
      code: 'canary-fails',
      why: expect.stringContaining('login answers 401'),
    })
    answers = { ...answers, login: 503 }
    expect(await record(switchover)).toMatchObject({ is: 'pending' })
  })

  test('for lack of credentials ends a failover before anything is changed', async () => {
    expect(await record(failover)).toEqual({ is: 'done', proof: { canary: 'not-tried' } })
    await expect(record(failover, ['SECRET'])).rejects.toMatchObject({ code: 'credential-missing' })
    expect(asked).toEqual([])
  })
})
