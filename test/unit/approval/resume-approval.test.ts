import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { controlGitHub, type GitHubControl } from '../../../lab/github/control.ts'
import { startGitHubFake } from '../../../lab/github/server.ts'
import { gitHubFromTerminal, type ResumeRequest, readResumeApproval } from '../../../src/approval/resume-approval.ts'
import { openGitHub } from '../../../src/clients/github.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
import { minutes } from '../../../src/values/duration.ts'
import { deployedToy, toyApproval, toyStack, toyWorld } from '../../support/toy-stack.ts'
import { quickSigner } from './signers.ts'

let fake: Awaited<ReturnType<typeof startGitHubFake>>
let control: GitHubControl
/** What GitHub's answers say of the time; null: nothing. */
let gitHubSays: Date | null = null
beforeAll(async () => {
  fake = await startGitHubFake({ repository: 'acme/stacks', clock: () => gitHubSays })
  control = controlGitHub(fake.url)
  await control.environment({ name: 'failover', reviewers: ['rita'] })
})
afterAll(() => fake.stop())

const declaring = (approval: Partial<Stack['approval']>): Stack => ({
  ...toyStack,
  approval: { ...toyStack.approval, ...approval },
})
const reviewed = declaring({ github: { environments: ['failover'], branch: 'main', approvers: 1 } })
const signed = declaring({
  signatures: { required: 1, keys: [quickSigner('rita')].map(({ name, key }) => ({ name, key })) },
})

/** A run of GitHub that sam started, approved by rita or not at all; and the plan that it made. */
async function made(
  by: { readonly actor?: string; readonly approved?: boolean; readonly madeIn?: (url: string) => string } = {},
): Promise<Plan> {
  const run = await control.startRun({ actor: by.actor ?? 'sam' })
  await control.reachEnvironment(run.id, 'failover')
  if (by.approved !== false) await control.review(run.id, { environment: 'failover', reviewer: 'rita' })
  const { toy, store } = await deployedToy()
  const url = `https://github.com/acme/stacks/actions/runs/${run.id}`
  return (
    await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' }, { madeIn: by.madeIn?.(url) ?? url })
  ).plan
}

const askGitHub = () => openGitHub({ apiUrl: fake.url, token: 'token', repository: 'acme/stacks' })
/** A forgery in the witness: approved by everyone, for exactly this digest. */
const forged = (plan: Plan, kind: 'github-environment' | 'local') =>
  toyApproval(digestOf(plan), {
    kind,
    approvers: [{ id: '20', name: 'rita' }],
    proof: {
      purpose: { operation: 'execute' },
      run: 501,
      url: plan.madeIn ?? '',
      environments: [{ id: 71, name: 'failover' }],
      approvals: [{ state: 'approved', user: { id: 20, login: 'rita', type: 'User' } }],
    },
  })

async function resumed(plan: Plan, stack: Stack, more: Partial<ResumeRequest> = {}) {
  const now = new Date(Date.parse(plan.madeAt) + minutes(10))
  const common = { run: 'r1', plan, stack, now, digest: digestOf(plan), requestedBy: 'otto', github: askGitHub }
  const stored = forged(plan, stack.approval.github === undefined ? 'local' : 'github-environment')
  return readResumeApproval({ stored, ...common, ...more }).then(
    (approval) => ({ approval, code: null, next: '' }),
    (error: { code: string; next: string }) => ({ approval: null, code: error.code, next: error.next }),
  )
}

describe('a terminal that goes on with a run that was approved on GitHub', () => {
  test('asks GitHub for that approval again, and records what GitHub says', async () => {
    const { approval } = await resumed(await made(), reviewed)
    expect(approval).toMatchObject({ kind: 'github-environment', requestedBy: 'sam', approvers: [{ name: 'rita' }] })
  })

  test('is held to the expiry by the time of GitHub too, whatever the terminal takes for now', async () => {
    const plan = await made()
    gitHubSays = new Date(Date.parse(plan.expiresAt) + minutes(1))
    const { code, next } = await resumed(plan, reviewed).finally(() => {
      gitHubSays = null
    })
    expect(code).toBe('plan-expired')
    expect(next).toContain('a new approval for this run')
  })

  test('does so also when the branch has moved on since: the stack file is held to its digest', async () => {
    const plan = await made()
    await control.moveBranch('main', 'f'.repeat(40))
    expect((await resumed(plan, reviewed)).code).toBeNull()
  })

  test('is not allowed to go on by a record in the witness, whichever process wrote it', async () => {
    expect((await resumed(await made({ approved: false }), reviewed)).code).toBe('not-approved')
    expect((await resumed(await made({ actor: 'github-actions[bot]' }), reviewed)).code).toBe('requester-not-a-person')
    const other = declaring({ github: { environments: ['failover', 'second'], branch: 'main', approvers: 2 } })
    expect((await resumed(await made(), other)).code).toBe('environment-missing')
  })

  test('needs the digest that was reviewed: a plan that an outsider put into the witness may name an approved run as well', async () => {
    const plan = await made()
    expect((await resumed(plan, reviewed, { digest: null })).code).toBe('approval-unproven')
    const { code } = await resumed({ ...plan, expiresAt: '2099-01-01T00:00:00.000Z' }, reviewed, {
      digest: digestOf(plan),
    })
    expect(code).toBe('digest-mismatch')
  })

  test('needs a token, and the error names the ways without one', async () => {
    const { code, next } = await resumed(await made(), reviewed, { github: null })
    expect(code).toBe('approval-unproven')
    expect(next).toMatch(/GITHUB_TOKEN.*the failover workflow with operation: resume, run: r1/s)
  })

  test('cannot go on with a plan that no run of GitHub made', async () => {
    expect((await resumed(await made({ madeIn: () => 'https://github.com/acme/stacks' }), reviewed)).code).toBe(
      'approval-unproven',
    )
    expect((await resumed(await made({ madeIn: (url) => `${url}/attempts/2` }), reviewed)).code).toBe(
      'approval-unproven',
    )
  })

  test('needs an approval for just that once the plan has expired, and no new plan', async () => {
    const plan = await made()
    const { code, next } = await resumed(plan, reviewed, { now: new Date(plan.expiresAt) })
    expect(code).toBe('plan-expired')
    expect(next).toContain('the failover workflow with operation: resume, run: r1')
    expect(next).not.toContain('new plan')
  })

  test('sends its token to no server that a plan names', () => {
    const ask = gitHubFromTerminal({ GITHUB_TOKEN: 'ghp_x' }, new AbortController().signal)
    expect(() => ask?.('https://evil.example/acme/stacks/actions/runs/1')).toThrow(
      expect.objectContaining({ code: 'approval-unproven' }),
    )
    expect(gitHubFromTerminal({ GITHUB_TOKEN: '' }, new AbortController().signal)).toBeNull()
    const own = { GH_TOKEN: 'x', GITHUB_SERVER_URL: 'https://ghe.example/' }
    expect(
      gitHubFromTerminal(own, new AbortController().signal)?.('https://ghe.example/a/b/actions/runs/1'),
    ).toBeDefined()
  })
})

describe('a terminal that goes on with a run that needed no approval', () => {
  test('brings the digest that was reviewed, and is recorded as who resumed it', async () => {
    const { approval } = await resumed(await made(), toyStack)
    expect(approval).toMatchObject({ kind: 'local', approvers: [], requestedBy: 'otto' })
  })

  test('is refused without it, with another one, and where approval is required by now', async () => {
    const plan = await made()
    const { code, next } = await resumed(plan, toyStack, { digest: null })
    expect(code).toBe('approval-unproven')
    // A digest from the witness would prove nothing.
    expect(next).not.toContain(digestOf(plan))
    expect((await resumed(plan, toyStack, { digest: '0'.repeat(64) })).code).toBe('digest-mismatch')
    expect((await resumed(plan, signed)).code).toBe('approval-unproven')
    expect((await resumed(plan, toyStack, { now: new Date(plan.expiresAt) })).code).toBe('plan-expired')
  })
})
