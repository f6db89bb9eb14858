import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { controlGitHub } from '../../../lab/github/control.ts'
import { startGitHubFake } from '../../../lab/github/server.ts'
import { approvalText } from '../../../src/approval/approval-text.ts'
import { readGitHubApproval } from '../../../src/approval/read-approval.ts'
import { readSignedApproval } from '../../../src/approval/signed-approval.ts'
import { openGitHub } from '../../../src/clients/github.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import { asStandbyError } from '../../../src/errors/standby-error.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { readPlan } from '../../../src/operations/read-plan.ts'
import { minutes } from '../../../src/values/duration.ts'
import type { Json } from '../../../src/values/json.ts'
import { inTurn } from '../../support/rounds.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { deployedToy, toyStack, toyWorld } from '../../support/toy-stack.ts'
import { another, bentAt, type Path, placesIn, turned } from './bent.ts'
import { quickSigner } from './signers.ts'

const ENVIRONMENT = 'production-failover'
const [rita, omar] = [quickSigner('rita'), quickSigner('omar')]
const stack = {
  ...toyStack,
  approval: {
    ...toyStack.approval,
    github: { environments: [ENVIRONMENT], branch: 'main', approvers: 1 },
    signatures: { required: 2, keys: [rita, omar].map(({ name, key }) => ({ name, key })) },
  },
}
const REQUEST = { reason: 'GitHub is down, incident 4711', requestedBy: 'sam' } as const

const folder = temporaryFolder()
let files = 0
const fileOf = (content: string): string => {
  const path = join(folder, `plan-${files++}.json`)
  writeFileSync(path, content)
  return path
}
const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work()
    return 'accepted'
  } catch (error) {
    return asStandbyError(error).code
  }
}

async function deployed() {
  const { store } = await deployedToy()
  return { ...toyWorld({ writer: 'dc-a', effects: [] }, store), stack }
}

/** A GitHub that says what it once said, but for what is bent. */
async function mirror() {
  let answers: Readonly<Record<string, Json>> = {}
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '', 'http://mirror').pathname
    response.setHeader('date', now.toUTCString())
    response
      .writeHead(path in answers ? 200 : 404, { 'content-type': 'application/json' })
      .end(JSON.stringify(answers[path] ?? {}))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    show: (now: Readonly<Record<string, Json>>) => {
      answers = now
    },
    stop: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

let said: Awaited<ReturnType<typeof mirror>>
let answers: Record<string, Json>
let paths: Record<'environment' | 'policies' | 'run' | 'approvals' | 'branch', string>
let env: Record<string, string>
let plan: Plan
let digest: string
/** A while after the plan was made. */
let now: Date
let reviewer: number

/** One run that was really planned, waited and approved; then what GitHub says of it is frozen. */
beforeAll(async () => {
  const fake = await startGitHubFake()
  const github = controlGitHub(fake.url)
  await github.environment({ name: ENVIRONMENT, reviewers: ['rita', 'ravi'] })
  const run = await github.startRun({ actor: 'sam' })
  await github.reachEnvironment(run.id, ENVIRONMENT)
  await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita', comment: 'go' })
  const report = await planFailover(
    await deployed(),
    { mode: 'switchover', to: 'dc-b' },
    { madeIn: `https://github.com/lab/stacks/actions/runs/${run.id}` },
  )
  plan = report.plan
  digest = report.digest
  now = new Date(Date.parse(plan.madeAt) + minutes(30))
  env = {
    GITHUB_REPOSITORY: 'lab/stacks',
    GITHUB_RUN_ID: String(run.id),
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_REF: 'refs/heads/main',
    GITHUB_SHA: run.sha,
  }
  const base = '/repos/lab/stacks'
  paths = {
    environment: `${base}/environments/${ENVIRONMENT}`,
    policies: `${base}/environments/${ENVIRONMENT}/deployment-branch-policies`,
    run: `${base}/actions/runs/${run.id}`,
    approvals: `${base}/actions/runs/${run.id}/approvals`,
    branch: `${base}/branches/main`,
  }
  const asked = Object.values(paths).map(async (path) => {
    const response = await fetch(`${fake.url}${path}`, { headers: { authorization: 'Bearer token' } })
    return [path, (await response.json()) as Json] as const
  })
  answers = Object.fromEntries(await Promise.all(asked))
  reviewer = (answers[paths.approvals] as unknown as { user: { id: number } }[])[0]?.user.id ?? 0
  await fake.stop()
  said = await mirror()
})
afterAll(() => said.stop())

async function judged(
  bent: Readonly<Record<string, Json>>,
  more: { env?: Record<string, string>; plan?: Plan; digest?: string } = {},
) {
  said.show(bent)
  const github = openGitHub({ apiUrl: said.url, token: 'token', repository: 'lab/stacks', deadline: 5_000 })
  return readGitHubApproval({
    github,
    stack,
    plan: more.plan ?? plan,
    digest: more.digest ?? digest,
    env: more.env ?? env,
    now,
  })
}

/**
 * Field of GitHub's answers → code when it is missing, code when it says something else. What is not in this table is
 * not judged, and must not matter. null: does not matter.
 */
type Expectation = readonly [
  field: RegExp,
  missing: string | null,
  other: string | null,
  change?: (value: Json) => Json,
]
const UNREADABLE = 'approval-unreadable'
const becomesReviewer = (): Json => reviewer
const TABLE: readonly Expectation[] = [
  [/^environment\.id$/, UNREADABLE, 'not-approved'],
  [/^environment\.name$/, UNREADABLE, 'environment-mismatch'],
  [/^environment\.can_admins_bypass$/, 'admins-can-bypass', 'admins-can-bypass'],
  [/^environment\.protection_rules$/, UNREADABLE, 'environment-unprotected'],
  [/^environment\.protection_rules\.0\.type$/, UNREADABLE, 'environment-unprotected'],
  [/^environment\.protection_rules\.1\.type$/, UNREADABLE, null],
  [/^environment\.protection_rules\.0\.prevent_self_review$/, 'self-review-allowed', 'self-review-allowed'],
  [/^environment\.protection_rules\.0\.reviewers$/, 'environment-unprotected', 'environment-unprotected'],
  [/^environment\.protection_rules\.0\.reviewers\.0\.type$/, UNREADABLE, 'approver-not-reviewer'],
  [
    /^environment\.protection_rules\.0\.reviewers\.0\.reviewer\.id$/,
    UNREADABLE,
    'approver-not-reviewer',
    (id) => Number(id) + 1_000,
  ],
  [/^environment\.protection_rules\.0\.reviewers\.1\.(type|reviewer\.id)$/, UNREADABLE, null],
  [/^environment\.deployment_branch_policy\.custom_branch_policies$/, UNREADABLE, 'branch-policy-open'],
  [/^environment\.deployment_branch_policy\.protected_branches$/, UNREADABLE, 'branch-policy-open'],
  [/^policies\.total_count$/, UNREADABLE, 'branch-policy-open'],
  [/^policies\.branch_policies$/, UNREADABLE, UNREADABLE],
  [/^policies\.branch_policies\.0\.name$/, UNREADABLE, 'branch-policy-open'],
  // Older servers do not say it, and know no policies for tags.
  [/^policies\.branch_policies\.0\.type$/, null, 'branch-policy-open', () => 'tag'],
  [/^run\.id$/, UNREADABLE, 'run-mismatch'],
  [/^run\.run_attempt$/, UNREADABLE, 'rerun-refused'],
  [/^run\.event$/, UNREADABLE, 'event-not-allowed', () => 'pull_request_target'],
  [/^run\.head_sha$/, UNREADABLE, 'run-mismatch'],
  [/^run\.head_branch$/, UNREADABLE, 'branch-not-allowed'],
  // Which file of the branch it is says nothing that the branch does not; a reviewer sees it.
  [/^run\.path$/, UNREADABLE, null],
  [/^run\.(actor|triggering_actor)\.id$/, UNREADABLE, 'approver-is-requester', becomesReviewer],
  // People are identified by id: a login can be renamed.
  [/^run\.(actor|triggering_actor)\.login$/, UNREADABLE, null],
  [/^run\.(actor|triggering_actor)\.type$/, 'requester-not-a-person', 'requester-not-a-person'],
  [/^approvals$/, UNREADABLE, 'not-approved'],
  [/^approvals\.0\.state$/, UNREADABLE, 'not-approved'],
  [/^approvals\.0\.user\.id$/, UNREADABLE, 'approver-not-reviewer', (id) => Number(id) + 1_000],
  [/^approvals\.0\.user\.login$/, UNREADABLE, null],
  [/^approvals\.0\.user\.type$/, 'approver-not-a-person', 'approver-not-a-person'],
  [/^approvals\.0\.comment$/, UNREADABLE, null],
  [/^approvals\.0\.environments$/, UNREADABLE, 'not-approved'],
  [/^approvals\.0\.environments\.0\.(id|name)$/, UNREADABLE, 'not-approved'],
  [/^branch\.commit\.sha$/, UNREADABLE, 'branch-moved'],
]

describe('what GitHub says, bent in one place', () => {
  test('as it was said, is an approval', async () => {
    expect(await judged(answers)).toMatchObject({
      kind: 'github-environment',
      approvers: [{ name: 'rita' }],
      requestedBy: 'sam',
    })
  })

  test('is an approval too in another order of keys', async () => {
    expect(await judged(turned(answers))).toMatchObject({ approvers: [{ name: 'rita' }] })
  })

  const bend = async (
    name: keyof typeof paths,
    place: Path,
    change: (value: Json) => Json | undefined,
  ): Promise<string> =>
    codeOf(() => judged({ ...answers, [paths[name]]: bentAt(answers[paths[name]] as Json, place, change) }))

  test.each(['environment', 'policies', 'run', 'approvals', 'branch'] as const)(
    '%s: every field that is judged refuses with its own code, every other one does not matter',
    async (name) => {
      const used = new Set<Expectation>()
      const wrong: unknown[] = []
      for (const place of placesIn(answers[paths[name]] as Json)) {
        const field = [name, ...place].join('.')
        const row = TABLE.find(([pattern]) => pattern.test(field))
        if (row !== undefined) used.add(row)
        const [, missing, other, change = another] = row ?? [/./, null, null]
        const seen = [await bend(name, place, () => undefined), await bend(name, place, change)]
        const expected = [missing, other].map((code) => code ?? 'accepted')
        if (seen.join() !== expected.join()) wrong.push({ field, seen, expected })
      }
      expect(wrong).toEqual([])
      const ofThis = TABLE.filter(([pattern]) => pattern.source.startsWith(`^${name}`))
      expect(ofThis.filter((row) => !used.has(row))).toEqual([])
    },
    60_000,
  )

  test.each(['environment', 'policies', 'run', 'approvals', 'branch'] as const)(
    '%s: not there at all refuses',
    async (name) => {
      const { [paths[name]]: _gone, ...rest } = answers
      expect(await codeOf(() => judged(rest))).toBe(name === 'environment' ? 'environment-missing' : UNREADABLE)
    },
  )

  const lists: [string, string, (list: readonly Json[]) => Json][] = [
    [
      'a rejection after the approval',
      'approval-rejected',
      (list) => [...list, ...list.map((one) => bentAt(one, ['state'], () => 'rejected'))],
    ],
    [
      'a rejection before the approval',
      'approval-rejected',
      (list) => [...list.map((one) => bentAt(one, ['state'], () => 'rejected')), ...list],
    ],
    ['the approval twice', 'accepted', (list) => [...list, ...list]],
  ]
  test.each(lists)('%s → %s', async (_name, code, change) => {
    const bent = { ...answers, [paths.approvals]: change(answers[paths.approvals] as readonly Json[]) }
    expect(await codeOf(() => judged(bent))).toBe(code)
  })
})

describe('the job, bent in one place', () => {
  const jobs: [string, string, string][] = [
    ['GITHUB_REPOSITORY', 'lab/other', 'plan-of-another-run'],
    ['GITHUB_RUN_ID', '999', UNREADABLE],
    ['GITHUB_RUN_ATTEMPT', '2', 'rerun-refused'],
    ['GITHUB_REF', 'refs/tags/main', 'branch-not-allowed'],
    ['GITHUB_SHA', 'f'.repeat(40), 'run-mismatch'],
  ]
  test.each(jobs)('%s = %s → %s, and not-in-github without it', async (name, value, code) => {
    expect(await codeOf(() => judged(answers, { env: { ...env, [name]: value } }))).toBe(code)
    const { [name]: _gone, ...rest } = env
    expect(await codeOf(() => judged(answers, { env: rest }))).toBe('not-in-github')
  })

  test('GITHUB_SERVER_URL of another server → plan-of-another-run', async () => {
    expect(
      await codeOf(() => judged(answers, { env: { ...env, GITHUB_SERVER_URL: 'https://github.example.com' } })),
    ).toBe('plan-of-another-run')
  })
})

describe('the plan, bent in one place', () => {
  const text = () => approvalText(plan, { ...REQUEST, purpose: { operation: 'execute' } })
  const signed = () => [rita, omar].map((signer) => ({ file: signer.name, text: signer.sign(text()) }))
  const bySignatures = (bent: Plan, signatures = signed()): Promise<string> =>
    codeOf(() => readSignedApproval({ stack, plan: bent, signatures, ...REQUEST, now }))
  let approved: ReturnType<typeof signed>
  beforeAll(() => {
    approved = signed()
  })
  /** As a job does it: the file is read, then the approval. */
  const both = async (content: string): Promise<readonly [string, string]> => {
    const read = await readPlan(fileOf(content), 'dc-b').catch((error: unknown) => asStandbyError(error).code)
    if (typeof read === 'string') return [read, read]
    return Promise.all([codeOf(() => judged(answers, { plan: read })), bySignatures(read, approved)])
  }

  test('as it was approved, is executed by either approval, in whatever order and white space its file has it', async () => {
    for (const content of [JSON.stringify(plan), JSON.stringify(turned(plan as unknown as Json), null, 4)])
      expect(await both(content)).toEqual(['accepted', 'accepted'])
  })

  test('every field removed, changed, emptied or turned around is refused', async () => {
    const places = placesIn(plan as unknown as Json)
    expect(places.length).toBeGreaterThan(100)
    const wrong: unknown[] = []
    const changes = inTurn<(value: Json) => Json | undefined>([
      () => undefined,
      another,
      (value) => (Array.isArray(value) && value.length > 1 ? [...value].reverse() : null),
    ])
    for (const place of places) {
      for (const change of changes()) {
        const bent = bentAt(plan as unknown as Json, place, change)
        // What is null, or empty, may be so already.
        if (JSON.stringify(bent) === JSON.stringify(plan)) continue
        const [byGitHub, byKeys] = await both(JSON.stringify(bent))
        const field = place.join('.')
        if (!['digest-mismatch', 'plan-invalid', 'plan-for-another-site'].includes(byGitHub))
          wrong.push({ field, byGitHub })
        const expected =
          field === 'expiresAt'
            ? ['plan-expired', 'plan-invalid']
            : ['signature-wrong', 'plan-invalid', 'plan-for-another-site']
        if (!expected.includes(byKeys)) wrong.push({ field, byKeys })
      }
    }
    expect(wrong).toEqual([])
  })

  test('what is added to it is refused too', async () => {
    for (const added of [
      { extra: 1 },
      { steps: [...plan.steps, ...plan.steps] },
      { intent: { ...plan.intent, acceptLoss: 1 } },
    ])
      expect(await both(JSON.stringify({ ...plan, ...added }))).toEqual(['digest-mismatch', 'signature-wrong'])
  })

  test('that of another run is refused, with its own digest and its own signatures', async () => {
    const other = await planFailover(
      await deployed(),
      { mode: 'switchover', to: 'dc-b' },
      { madeIn: `${plan.madeIn}0` },
    )
    expect(await codeOf(() => judged(answers, { plan: other.plan, digest: other.digest }))).toBe('plan-of-another-run')
    expect(await codeOf(() => judged(answers, { plan: other.plan }))).toBe('digest-mismatch')
    expect(await bySignatures(other.plan)).toBe('signature-wrong')
    expect(
      await bySignatures(plan, [...signed().slice(0, 1), { file: 'x', text: omar.sign(approvalTextOf(other.plan)) }]),
    ).toBe('signature-wrong')
  })
  const approvalTextOf = (of: Plan): string => approvalText(of, { ...REQUEST, purpose: { operation: 'execute' } })

  test('that has waited too long is refused', async () => {
    const late = new Date(Date.parse(plan.expiresAt) + 1)
    expect(await codeOf(() => readSignedApproval({ stack, plan, signatures: signed(), ...REQUEST, now: late }))).toBe(
      'plan-expired',
    )
  })

  test('an approval is used once: a second execution is refused, and so is it after the way back', async () => {
    const world = await deployed()
    const made = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const signatures = [rita, omar].map((signer) => ({
      file: signer.name,
      text: signer.sign(approvalTextOf(made.plan)),
    }))
    const approval = readSignedApproval({ stack, plan: made.plan, signatures, ...REQUEST, now })
    expect((await executeFailover(world, made.plan, approval)).verdict).toBe('moved')
    const again = await executeFailover(world, made.plan, approval)
    expect(again).toMatchObject({ verdict: 'refused', failure: { code: 'plan-stale' } })
    // Even where every fact is again as it was, the nonce is burnt.
    const back = { ...(await deployed()), store: world.store }
    expect(await executeFailover(back, made.plan, approval)).toMatchObject({
      verdict: 'refused',
      failure: { code: 'plan-already-executed' },
    })
  })
})
