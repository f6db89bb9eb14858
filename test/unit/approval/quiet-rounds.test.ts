import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { controlGitHub, type GitHubControl } from '../../../lab/github/control.ts'
import { startGitHubFake } from '../../../lab/github/server.ts'
import { approvalText } from '../../../src/approval/approval-text.ts'
import { judgeLocalApproval } from '../../../src/approval/local-approval.ts'
import { readGitHubApproval } from '../../../src/approval/read-approval.ts'
import { readResumeApproval } from '../../../src/approval/resume-approval.ts'
import { openGitHub } from '../../../src/clients/github.ts'
import type { Approval } from '../../../src/domain/approval.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { readPlan } from '../../../src/operations/read-plan.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
import { minutes } from '../../../src/values/duration.ts'
import type { Json } from '../../../src/values/json.ts'
import { rounds } from '../../support/rounds.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { deployedToy, toyStack, toyWorld } from '../../support/toy-stack.ts'
import { turned } from './bent.ts'
import { quickSigner } from './signers.ts'

/** A whole move each: more would keep a machine with other work for minutes. Fewer than 60 may miss a way. */
const ROUNDS = rounds(150, 60)
/** A while after a plan was made. */
const whileAfter = ({ madeAt }: Plan): Date => new Date(Date.parse(madeAt) + minutes(30))
const PEOPLE = ['rita', 'omar', 'olga', 'ravi']
const signers = PEOPLE.map(quickSigner)

let fake: Awaited<ReturnType<typeof startGitHubFake>>
let control: GitHubControl
beforeAll(async () => {
  // Says nothing of the time: the plans are made at another one.
  fake = await startGitHubFake({ clock: () => null })
  control = controlGitHub(fake.url)
})
afterAll(() => fake.stop())

const folder = temporaryFolder()
const declaring = (approval: Partial<Stack['approval']>): Stack => ({
  ...toyStack,
  approval: { ...toyStack.approval, ...approval },
})

/** A round as it may come: who approves how, what people write, and what mail and editors do to files. */
const round = fc.record({
  way: fc.constantFrom('github', 'signatures', 'local'),
  approvers: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 1 }),
  event: fc.constantFrom('workflow_dispatch', 'repository_dispatch', 'push', 'schedule'),
  reason: fc.stringMatching(/^[A-Za-z0-9äöüß€–.,:;!"'#$%&()/ ]{0,60}[a-z]$/),
  requester: fc.constantFrom('sam', 'tina', 'Renée'),
  comment: fc.string(),
  indented: fc.boolean(),
  turned: fc.boolean(),
  mailed: fc.boolean(),
})
type Round = typeof round extends fc.Arbitrary<infer T> ? T : never

async function github(one: Round, made: (madeIn: string) => Promise<Plan>): Promise<[Stack, Plan, Approval]> {
  const environments = one.approvers.map((_, index) => `failover-${index}`)
  const stack = declaring({ github: { environments, branch: 'main', approvers: environments.length } })
  const run = await control.startRun({ actor: one.requester, event: one.event })
  for (const [index, name] of environments.entries()) {
    await control.environment({ name, reviewers: PEOPLE })
    await control.reachEnvironment(run.id, name)
    await control.review(run.id, {
      environment: name,
      reviewer: PEOPLE[one.approvers[index] ?? 0] ?? '',
      comment: one.comment,
    })
  }
  const plan = await made(`https://github.com/lab/stacks/actions/runs/${run.id}`)
  const env = {
    GITHUB_REPOSITORY: 'lab/stacks',
    GITHUB_RUN_ID: String(run.id),
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_REF: 'refs/heads/main',
    GITHUB_SHA: run.sha,
  }
  const client = openGitHub({ apiUrl: fake.url, token: 'token', repository: 'lab/stacks' })
  return [
    stack,
    plan,
    await readGitHubApproval({ github: client, stack, plan, digest: digestOf(plan), env, now: whileAfter(plan) }),
  ]
}

async function locally(one: Round, made: () => Promise<Plan>): Promise<[Stack, Plan, Approval]> {
  const keys = signers.map(({ name, key }) => ({ name, key }))
  const stack = one.way === 'local' ? toyStack : declaring({ signatures: { required: one.approvers.length, keys } })
  const plan = await made()
  const request = { reason: one.reason, requestedBy: one.requester }
  const text = approvalText(plan, { ...request, purpose: { operation: 'execute' } })
  const signatures =
    one.way === 'local'
      ? []
      : one.approvers.map((index) => {
          const signature = signers[index]?.sign(text) ?? ''
          return { file: `${index}.sig`, text: one.mailed ? signature.replaceAll('\n', '\r\n') : signature }
        })
  const digest = one.way === 'local' ? digestOf(plan) : null
  return [stack, plan, judgeLocalApproval({ stack, plan, digest, signatures, now: whileAfter(plan), ...request })]
}

test(`${ROUNDS} rounds of plan, approve, execute and look again end without one false refusal`, async () => {
  const ways = { github: 0, signatures: 0, local: 0 }
  let number = 0
  await fc.assert(
    fc.asyncProperty(round, async (one) => {
      const { store } = await deployedToy()
      const world = toyWorld({ writer: 'dc-a', effects: [] }, store)
      const path = join(folder, `plan-${number++}.json`)
      const made = async (madeIn?: string): Promise<Plan> => {
        const { plan } = await planFailover(
          world,
          { mode: 'switchover', to: 'dc-b' },
          madeIn === undefined ? {} : { madeIn },
        )
        const file = one.turned ? turned(plan as unknown as Json) : plan
        writeFileSync(path, JSON.stringify(file, null, one.indented ? 2 : 0))
        return readPlan(path, 'dc-b')
      }
      const [stack, plan, approval] = one.way === 'github' ? await github(one, made) : await locally(one, made)
      ways[one.way] += 1
      const report = await executeFailover({ ...world, stack }, plan, approval)
      expect(report).toMatchObject({ verdict: 'moved', failure: null })
      // Another process that continues reads it from the witness.
      const stored: unknown = JSON.parse(JSON.stringify(approval))
      const ask = () => openGitHub({ apiUrl: fake.url, token: 'token', repository: 'lab/stacks' })
      const common = {
        run: report.run,
        plan,
        stack,
        now: whileAfter(plan),
        digest: digestOf(plan),
        requestedBy: 'otto',
        github: ask,
      }
      const { kind, digest, approvers } = approval
      expect(await readResumeApproval({ stored, ...common })).toMatchObject({ kind, digest, approvers })
    }),
    { numRuns: ROUNDS },
  )
  for (const count of Object.values(ways)) expect(count).toBeGreaterThan(ROUNDS / 10)
}, 180_000)
