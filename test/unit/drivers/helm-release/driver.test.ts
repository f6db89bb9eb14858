import { describe, expect, test } from '@jest/globals'
import type { BySite, Observed } from '../../../../src/domain/observed.ts'
import type { Finding, Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { Assessment } from '../../../../src/driver/assessment.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { secretHashes } from '../../../../src/drivers/helm-release/must-match.ts'
import type { HelmReleaseState } from '../../../../src/drivers/helm-release/observe.ts'
import { orderProblems } from '../../../../src/planning/order-steps.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { helmRelease } from '../../../support/flat/drivers.ts'
import { theApplication } from '../../../support/helm-application.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const component = theApplication({ mustMatch: [{ secret: 'keys', keys: ['ENCRYPTION_KEY'] }] })
const intent: Intent = { mode: 'switchover', from: A, to: B }
const seen = (declared: number, more: { image?: string; hash?: string | null } = {}): Observed<HelmReleaseState> => ({
  kind: 'answering',
  state: {
    workload: { declared, ready: declared, pods: declared, image: more.image ?? 'app:1', settled: true },
    secrets: { 'keys/ENCRYPTION_KEY': more.hash === undefined ? 'aaaa' : more.hash },
  },
  role: declared > 0 ? 'active' : 'passive',
  health: 'healthy',
  text: '',
  facts: [],
})
const failover: Intent = { mode: 'failover', from: A, to: B }
const rejoin: Intent = { mode: 'rejoin', from: B, to: A }
const silent: Observed<HelmReleaseState> = { kind: 'silent', why: 'no answer' }
const assess = (states: BySite<HelmReleaseState>, asked: Intent | null = intent): Finding[] => {
  const assessment: Assessment = {
    now: '2026-11-21T00:00:00Z',
    objectives: toyStack.objectives,
    activeSite: A,
    stack: toyStack,
  }
  return helmRelease.assess(component, states, asked, assessment)
}

describe('before a move', () => {
  test('two sites that agree are no obstacle', () => expect(assess({ [A]: seen(2), [B]: seen(0) })).toEqual([]))

  test('another key on the passive site blocks, and names Secret and key but no value', () => {
    const [finding, ...more] = assess({ [A]: seen(2), [B]: seen(0, { hash: 'bbbb' }) })
    expect(more).toEqual([])
    expect(finding).toMatchObject({
      code: 'secret-differs',
      severity: 'blocker',
      what: expect.stringContaining('keys/ENCRYPTION_KEY'),
    })
    expect(JSON.stringify(finding)).not.toMatch(/aaaa|bbbb/)
  })

  test('a missing key blocks', () => {
    expect(assess({ [A]: seen(2), [B]: seen(0, { hash: null }) })).toMatchObject([
      { code: 'secret-missing', site: 'dc-b' },
    ])
  })

  test('another image blocks, because its first start would be a migration without review', () => {
    expect(assess({ [A]: seen(2), [B]: seen(0, { image: 'app:2' }) })).toMatchObject([
      { code: 'image-differs', severity: 'blocker' },
    ])
  })

  test('a release that runs more than the declared workload is named: no move stops it', () => {
    const both = seen(2)
    if (both.kind !== 'answering') throw new Error('silent')
    const more = { ...both, state: { ...both.state, others: ['Deployment/worker'] } }
    expect(assess({ [A]: more, [B]: seen(0) })).toMatchObject([
      {
        code: 'workloads-not-moved',
        severity: 'warning',
        site: 'dc-a',
        what: expect.stringContaining('Deployment/worker'),
      },
    ])
  })

  test('a site whose release cannot be read blocks', () => {
    expect(assess({ [A]: seen(2), [B]: { kind: 'silent', why: 'no answer' } })).toMatchObject([
      { code: 'application-silent' },
    ])
  })
})

describe('a status, where another controller has scaled the application after a move', () => {
  const argo = { who: 'Argo CD', pause: 'argocd app set shop --sync-policy none', writes: true }
  const scaled = (declared: number, by?: string): Observed<HelmReleaseState> => {
    const one = seen(declared)
    if (one.kind !== 'answering') throw new Error('silent')
    return { ...one, state: { ...one.state, ...(by === undefined ? {} : { scaledBy: by, controllers: [argo] }) } }
  }
  const found = (states: BySite<HelmReleaseState>): Finding[] =>
    assess(states, null).filter(({ code }) => code === 'replicas-not-of-role')

  test('to nothing on the active site: names the controller, how to pause it, and what starts the application again', () => {
    expect(found({ [A]: scaled(0, 'argocd-controller'), [B]: seen(0) })).toMatchObject([
      {
        severity: 'blocker',
        site: 'dc-a',
        what: 'Deployment/app on dc-a, the active site, has no replicas, set by argocd-controller: no user is served',
        next: `${argo.pause}. Then: standby deploy --only application gives each site the values of its role`,
      },
    ])
  })

  test('to something on a passive site: the same', () => {
    expect(found({ [A]: seen(2), [B]: scaled(1, 'argocd-controller') })).toMatchObject([
      { site: 'dc-b', what: 'Deployment/app on dc-b, a passive site, has 1 replica, set by argocd-controller' },
    ])
  })

  test('warns of a deploy where a guard may have shut it, and leaves a site that comes back to its rejoin', () => {
    expect(found({ [A]: seen(0), [B]: seen(0) })).toMatchObject([
      { next: expect.stringMatching(/^Unless its guard has shut it: /) },
    ])
    expect(found({ [A]: seen(2), [B]: seen(2) })).toEqual([])
  })

  test('says nothing where each site has what its role says, whichever controller wrote it last', () => {
    expect(found({ [A]: scaled(2, 'argocd-controller'), [B]: scaled(0, 'argocd-controller') })).toEqual([])
  })
})

describe('a move', () => {
  const steps = helmRelease.move?.(component, { [A]: seen(3), [B]: seen(0) }, intent, toyStack) ?? []

  test('has a step for each promise, in an order that works', () => {
    expect(steps.map((step) => `${step.phase} ${step.id}`)).toEqual([
      'PREFLIGHT application.record-identity@dc-a',
      'PREFLIGHT application.pull-images@dc-b',
      'PREPARE application.second-look@dc-a',
      'PREPARE application.end-look@dc-a',
      'DRAIN application.stop@dc-a',
      'START application.start@dc-b',
      'SMOKE application.identity@dc-b',
      'PROTECT application.reconcile@dc-b',
      'PROTECT application.reconcile@dc-a',
    ])
    expect(orderProblems(steps)).toEqual([])
  })

  test('starts as many replicas as served before', () => {
    expect(steps.find((step) => step.action === 'start')?.parameters).toEqual({ replicas: 3 })
  })

  test('has a behaviour for every step, and can take back the stop', () => {
    for (const step of steps) expect(helmRelease.behaviours[step.action]).toBeDefined()
    expect(helmRelease.behaviours.stop?.undo).toBeDefined()
  })

  test('remembers how many replicas it stopped, none included, and which level of the fence that is', () => {
    const stopOf = (declared: number) =>
      helmRelease
        .move?.(component, { [A]: seen(declared), [B]: seen(0) }, intent, toyStack)
        .find((step) => step.action === 'stop')
    expect(stopOf(3)).toMatchObject({ fence: 'application', parameters: { before: 3 } })
    expect(stopOf(0)).toMatchObject({ parameters: { before: 0 } })
  })
})

describe('a failover', () => {
  const steps = (states: BySite<HelmReleaseState>) => helmRelease.move?.(component, states, failover, toyStack) ?? []

  test('has no step of the lost site, whether it answers or not, and compares with what the replica held', () => {
    for (const states of [
      { [A]: silent, [B]: seen(0) },
      { [A]: seen(2), [B]: seen(0) },
    ]) {
      expect(steps(states).map((step) => step.id)).toEqual([
        'application.record-identity@dc-b',
        'application.start@dc-b',
        'application.identity@dc-b',
        'application.reconcile@dc-b',
      ])
      expect(orderProblems(steps(states))).toEqual([])
      expect(steps(states)[2]?.parameters).toEqual({ remembered: 'application.record-identity@dc-b' })
    }
  })

  test('starts as many replicas as served, or as many as the release says where that number is unknown', () => {
    expect(steps({ [A]: seen(2), [B]: seen(0) })[1]?.parameters).toEqual({ replicas: 2 })
    expect(steps({ [A]: silent, [B]: seen(0) })[1]?.parameters).toEqual({ replicas: null })
  })

  test('is not held up by a lost site, and still asks of the new one what it needs', () => {
    expect(assess({ [A]: silent, [B]: seen(0) }, failover)).toMatchObject([
      { code: 'application-silent', severity: 'warning', site: A },
    ])
    expect(assess({ [A]: silent, [B]: silent }, failover)).toMatchObject([
      { severity: 'warning' },
      { severity: 'blocker', site: B },
    ])
    expect(assess({ [A]: seen(2), [B]: seen(0, { hash: null }) }, failover)).toMatchObject([
      { code: 'secret-missing', severity: 'blocker' },
    ])
    expect(assess({ [A]: seen(2), [B]: seen(0, { hash: 'bbbb' }) }, failover)).toMatchObject([{ severity: 'blocker' }])
    expect(assess({ [A]: seen(2), [B]: seen(0, { image: 'app:2' }) }, failover)).toMatchObject([
      { code: 'image-differs', severity: 'warning' },
    ])
  })
})

describe('a former active site', () => {
  const fence = (state: Observed<HelmReleaseState>) =>
    helmRelease.fence?.(component, { [A]: state, [B]: seen(0) }, failover, toyStack)

  test('that still answers is stopped, also half up, and gets back what it had when the failover is taken back', () => {
    const half = seen(2)
    const halfUp =
      half.kind === 'answering'
        ? { ...half, state: { ...half.state, workload: { ...half.state.workload, ready: 0 } } }
        : half
    expect(fence(halfUp)).toMatchObject([
      { id: 'application.stop@dc-a', phase: 'FENCE', fence: 'application', parameters: { before: 2 } },
    ])
    expect(fence(silent)).toMatchObject([{ parameters: { before: null } }])
  })

  test('that sleeps already needs no fence', () => {
    expect(fence(seen(0))).toEqual([])
    expect(fence({ kind: 'absent', why: 'no workload' })).toEqual([])
  })

  test('is put to sleep by a rejoin, and never woken by taking that back', () => {
    const steps = helmRelease.rejoin?.(component, { [A]: seen(2), [B]: seen(2) }, rejoin, toyStack) ?? []
    expect(steps.map((step) => `${step.phase} ${step.id}`)).toEqual([
      'DRAIN application.stop@dc-a',
      'PROTECT application.reconcile@dc-a',
    ])
    expect(steps[0]?.parameters).toEqual({ before: 0 })
    expect(steps[1]?.parameters).toEqual({ role: 'passive' })
    expect(assess({ [A]: { kind: 'absent', why: 'gone' }, [B]: seen(2) }, rejoin)).toMatchObject([
      { severity: 'warning' },
    ])
    expect(assess({ [A]: silent, [B]: seen(2) }, rejoin)).toMatchObject([{ severity: 'blocker', site: A }])
  })
})

describe('the hash of a Secret', () => {
  const hashes = (stack: string, value: string) =>
    secretHashes(component, A, {
      stack: { ...toyStack, name: stack },
      platform: () => ({ get: async () => ({ data: { ENCRYPTION_KEY: value } }) }),
    } as unknown as DriverContext)

  test('is equal for equal values, differs for others, and tells nothing to another stack', async () => {
    expect(await hashes('one', 'QQ==')).toEqual(await hashes('one', 'QQ=='))
    expect(await hashes('one', 'QQ==')).not.toEqual(await hashes('one', 'Qg=='))
    expect(await hashes('one', 'QQ==')).not.toEqual(await hashes('two', 'QQ=='))
    expect(JSON.stringify(await hashes('one', 'QQ=='))).not.toContain('QQ==')
  })
})

test('the facts of a plan are the same for who may read Secrets and who may not', async () => {
  const workload = {
    metadata: { generation: 1 },
    spec: { replicas: 1 },
    status: { observedGeneration: 1, replicas: 1 },
  }
  const observe = async (secret: () => Promise<unknown>) => {
    const get = async (ref: { kind: string }) => (ref.kind === 'Secret' ? secret() : workload)
    const answer = await helmRelease.observe(component, A, {
      stack: toyStack,
      signal: new AbortController().signal,
      kubernetes: () => ({ get }),
    } as unknown as FlatContext)
    return answer.kind === 'answering' ? answer.facts : null
  }
  const allowed = await observe(async () => ({ data: { ENCRYPTION_KEY: 'QQ==' } }))
  const { siteError } = await import('../../../../src/errors/standby-error.ts')
  const refused = await observe(async () => Promise.reject(siteError('kubernetes-forbidden', 'no')))
  expect(allowed).toEqual(refused)
})

test('no identity but those that deploy or move may read the keys or run Helm', () => {
  const rules = helmRelease
    .access(component, toyStack)
    .filter((rule) => rule.kind === 'kubernetes' && rule.resources.includes('secrets'))
  expect(new Set(rules.map((rule) => rule.identity))).toEqual(new Set(['deployer', 'mover']))
})
