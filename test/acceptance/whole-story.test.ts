import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { controlGitHub } from '../../lab/github/control.ts'
import { startGitHubFake } from '../../lab/github/server.ts'
import { openObjectStore } from '../../src/clients/object-store.ts'
import { type ChainFiles, judgeChain } from '../../src/evidence/chain.ts'
import { bodyIn } from '../../src/evidence/keep-evidence.ts'
import { type ApiServer, startApiServer } from '../support/api-server.ts'
import { type ObjectStoreServer, startObjectStore } from '../support/object-store.ts'
import { schemaErrors } from '../support/published-schemas.ts'
import { runAction } from '../support/run-action.ts'
import { type CliRun, runCli } from '../support/run-cli.ts'
import { clusterIdOf, type SmallStack, smallStack } from '../support/small-stack.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

jest.setTimeout(60_000)

/**
 * A real API server that plays both sites, and a real S3 server that is archive and witness: what a small stack is
 * moved on.
 */
let api: ApiServer
let store: ObjectStoreServer
let clusterId: string
let stack: SmallStack

beforeAll(async () => {
  ;[api, store] = await Promise.all([startApiServer(), startObjectStore()])
  clusterId = await clusterIdOf(api)
  stack = declared()
}, 60_000)
afterAll(async () => {
  await Promise.all([api?.stop(), store?.stop()])
})

function declared(
  more: { readonly clusterId?: string; readonly user?: 'admin' | 'nobody'; readonly github?: boolean } = {},
): SmallStack {
  const kubeconfig = api.kubeconfig(more.user ?? 'admin')
  const id = more.clusterId ?? clusterId
  return smallStack({
    kubernetes: { 'dc-a': kubeconfig, 'dc-b': kubeconfig },
    clusterIds: { 'dc-a': clusterId, 'dc-b': id },
    storage: store.endpoint,
    accessKeyId: store.access().accessKeyId,
    secretAccessKey: store.access().secretAccessKey,
    github: more.github ?? false,
  })
}

const standby = async (
  args: readonly string[],
  on: SmallStack = stack,
): Promise<CliRun & { readonly json: Record<string, unknown> }> => {
  const run = await runCli(['--stack', on.path, '--json', ...args], { env: on.env })
  return { ...run, json: run.stdout === '' ? {} : (JSON.parse(run.stdout) as Record<string, unknown>) }
}
const codesOf = (json: Record<string, unknown>): string[] =>
  (json.findings as readonly { readonly code: string }[]).map(({ code }) => code)
/** All but the evidence: a refused run leaves its record there, and nothing else anywhere. */
const objectsInStore = async (): Promise<string[]> =>
  (await openObjectStore(store.access()).list(''))
    .map(({ key }) => key)
    .filter((key) => !key.includes('evidence/'))
    .sort()
const planPath = (): string => join(stack.folder, 'plan.json')

test('before the first deploy, status says so and shows what is there', async () => {
  const { exitCode, json } = await standby(['status'])
  expect(exitCode).toBe(4)
  expect(json).toEqual(expect.objectContaining({ verdict: 'degraded', epoch: null, activeSite: null }))
  expect(codesOf(json)).toContain('never-deployed')
  expect(schemaErrors('result.schema.json', json)).toEqual([])
})

test('a dry run says what would change, and changes nothing', async () => {
  const before = await objectsInStore()
  const { exitCode, json } = await standby(['deploy', '--dry-run'])
  expect(exitCode).toBe(0)
  expect(json).toEqual(expect.objectContaining({ verdict: 'would-change', dryRun: true }))
  expect(schemaErrors('result.schema.json', json)).toEqual([])
  expect(await objectsInStore()).toEqual(before)
})

test('the first deploy makes the declared site active; the second changes nothing and says so', async () => {
  const first = await runAction('deploy', { with: { stack: stack.path }, env: stack.env })
  expect(first.errors).toEqual([])
  expect(first.outputs).toEqual(expect.objectContaining({ decision: 'continue', 'reason-code': 'deploy-changed' }))
  const second = await runAction('deploy', { with: { stack: stack.path }, env: stack.env })
  expect(second.outputs).toEqual(expect.objectContaining({ decision: 'complete', 'reason-code': 'deploy-unchanged' }))
  for (const run of [first, second]) expect(schemaErrors('result.schema.json', run.result)).toEqual([])

  const status = await runAction('status', { with: { stack: stack.path }, env: stack.env })
  expect(status.exitCode).toBe(0)
  expect(status.outputs).toEqual(
    expect.objectContaining({ 'reason-code': 'status-green', 'active-site': 'dc-a', epoch: '1' }),
  )
  expect(status.summary).toContain('dc-a')
  expect(schemaErrors('result.schema.json', status.result)).toEqual([])
  for (const run of [first, second, status])
    for (const secret of [...stack.secrets, 'admin-token']) expect(run.leaked).not.toContain(secret)
})

test('a kubeconfig that leads to another cluster than the declared one stops everything', async () => {
  const other = declared({ clusterId: '00000000-0000-0000-0000-0000000000ff' })
  for (const args of [['deploy'], ['failover', 'plan', '--to', 'dc-b'], ['backup'], ['verify-backup']]) {
    const { exitCode, stderr } = await standby(args, other)
    expect([args, exitCode]).toEqual([args, 2])
    expect(stderr).toMatch(/standby: wrong-cluster\n.*dc-b leads to another cluster.*\n.*\n.*Nothing was changed/s)
  }
})

test('an identity without rights learns which rule is lacking', async () => {
  const { json } = await standby(['status'], declared({ user: 'nobody' }))
  expect(JSON.stringify(json.sites)).toMatch(/a right is missing on dc-a: .*namespaces/)
})

test('a plan names its steps and predictions, and fits its published schema', async () => {
  const { exitCode, json } = await standby(['failover', 'plan', '--to', 'dc-b', '--out', planPath()])
  expect(exitCode).toBe(0)
  expect(json).toEqual(expect.objectContaining({ executable: true, digest: expect.stringMatching(/^[0-9a-f]{64}$/) }))
  expect(schemaErrors('result.schema.json', json)).toEqual([])
  expect(schemaErrors('plan.schema.json', JSON.parse(readFileSync(planPath(), 'utf8')))).toEqual([])
  expect((await runCli(['digest', planPath()])).stdout.trim()).toBe(json.digest)

  const same = await runAction('failover', {
    with: { stack: stack.path, to: 'dc-b', plan: join(stack.folder, 'again.json') },
    env: stack.env,
  })
  expect(same.outputs).toEqual(expect.objectContaining({ decision: 'continue', 'reason-code': 'plan-ready' }))
  expect(same.summary).toContain(same.outputs.digest)
  expect(schemaErrors('result.schema.json', same.result)).toEqual([])
})

test.each([
  [['failover', 'plan', '--to', 'dc-a'], 'already-active'],
  [['failover', 'plan', '--to', 'dc-c'], 'unknown-site'],
  [['failover', 'plan', '--to', 'dc-b', '--from', 'dc-b'], 'not-the-active-site'],
])('%j is refused as %s', async (args, code) => {
  const { exitCode, stderr } = await standby(args)
  expect(stderr).toContain(`standby: ${code}`)
  expect(exitCode).toBe(2)
})

describe('an execution is refused, and nothing is changed,', () => {
  const execute = (plan: string, digest: string, more: readonly string[] = [], on?: SmallStack) =>
    standby(['failover', 'execute', '--plan', plan, '--digest', digest, '--reason', 'a test', ...more], on)
  let before: readonly string[]
  beforeAll(async () => {
    before = await objectsInStore()
  })
  afterEach(async () => {
    expect(await objectsInStore()).toEqual(before)
  })

  test('when the digest is another one', async () => {
    const { exitCode, json } = await execute(planPath(), 'a1'.repeat(32))
    expect(exitCode).toBe(3)
    expect(json).toEqual(
      expect.objectContaining({ verdict: 'refused', failure: expect.objectContaining({ code: 'plan-stale' }) }),
    )
    expect(schemaErrors('result.schema.json', json)).toEqual([])
  })

  test('when one byte of the plan was changed after the review', async () => {
    const bent = join(stack.folder, 'bent.json')
    const text = readFileSync(planPath(), 'utf8')
    const digest = (await runCli(['digest', planPath()])).stdout.trim()
    expect(text).toContain('"irreversible": true')
    writeFileSync(bent, text.replace('"irreversible": true', '"irreversible": false'))
    const { exitCode, json } = await execute(bent, digest)
    expect(exitCode).toBe(3)
    expect(json.failure).toEqual(expect.objectContaining({ code: 'plan-stale' }))
  })

  test('when the stack file was changed after the review', async () => {
    const changed = declared()
    writeFileSync(changed.path, `${readFileSync(stack.path, 'utf8')}# somebody was here\n`)
    const digest = (await runCli(['digest', planPath()])).stdout.trim()
    const { exitCode, json } = await execute(planPath(), digest, [], changed)
    expect(exitCode).toBe(3)
    expect(json.failure).toEqual(
      expect.objectContaining({ code: 'plan-stale', what: expect.stringContaining('stack file') }),
    )
  })

  test('when the plan waited too long', async () => {
    const late = join(stack.folder, 'late.json')
    const plan = JSON.parse(readFileSync(planPath(), 'utf8')) as { readonly madeAt: string; readonly expiresAt: string }
    const aDayBefore = (time: string): string => new Date(Date.parse(time) - 24 * 3_600_000).toISOString()
    // Both: a plan that holds for another time than approval.expiry shows a defect.
    writeFileSync(
      late,
      JSON.stringify({ ...plan, madeAt: aDayBefore(plan.madeAt), expiresAt: aDayBefore(plan.expiresAt) }),
    )
    const { exitCode, json } = await execute(late, (await runCli(['digest', late])).stdout.trim())
    expect(exitCode).toBe(3)
    expect(json.failure).toEqual(expect.objectContaining({ code: 'plan-expired' }))
  })

  test('when the stack is moved by reviewers, and the command does not ask to bypass them', async () => {
    const reviewed = declared({ github: true })
    const { exitCode, stderr } = await execute(planPath(), 'a1'.repeat(32), [], reviewed)
    expect(exitCode).toBe(3)
    expect(stderr).toMatch(/standby: reviewer-required.*production-failover.*approval\.signatures/s)
  })
})

async function evidenceFiles(): Promise<ChainFiles> {
  const witness = openObjectStore(store.access('witness/'))
  const keys = (await witness.list('evidence/')).map(({ key }) => key)
  return new Map(
    await Promise.all(
      keys.map(async (key) => [key.replace('evidence/', ''), (await witness.get(key))?.body ?? ''] as const),
    ),
  )
}

test('a move ends with the other site active, an epoch more, and evidence that can be checked', async () => {
  const digest = (await runCli(['digest', planPath()])).stdout.trim()
  const moved = await standby([
    'failover',
    'execute',
    '--plan',
    planPath(),
    '--digest',
    digest,
    '--reason',
    'the test moves',
  ])
  expect(moved.exitCode).toBe(0)
  expect(moved.json).toEqual(
    expect.objectContaining({ verdict: 'moved', digest, epoch: { before: 1, after: 2 }, failure: null }),
  )
  expect(schemaErrors('result.schema.json', moved.json)).toEqual([])

  const { json } = await standby(['status'])
  expect(json).toEqual(expect.objectContaining({ activeSite: 'dc-b', epoch: 2, verdict: 'green' }))

  const files = await evidenceFiles()
  expect(judgeChain(files, [String(moved.json.evidenceHead)])).toMatchObject({ broken: null })
  const body = bodyIn(files.get(String(moved.json.evidence).replace('evidence/', '')) ?? '')
  expect(schemaErrors('evidence.schema.json', body)).toEqual([])
  expect(body).toMatchObject({
    run: moved.json.run,
    verdict: 'moved',
    approval: { kind: 'local', approvers: [], requestedBy: 'tester', reason: 'the test moves' },
  })

  // What an auditor does, with the credentials of the witness alone.
  const folder = join(temporaryFolder(), 'evidence')
  expect((await standby(['evidence', 'verify', '--head', String(moved.json.evidenceHead)])).exitCode).toBe(0)
  expect((await standby(['evidence', 'show', String(moved.json.run)])).json).toEqual(
    expect.objectContaining({ records: [body] }),
  )
  expect((await standby(['evidence', 'export', '--to', folder])).exitCode).toBe(0)
  expect(
    spawnSync('sh', [join(folder, 'verify.sh'), String(moved.json.evidenceHead)], { encoding: 'utf8' }),
  ).toMatchObject({ status: 0 })
  expect((await runCli(['evidence', 'verify', '--dir', folder])).exitCode).toBe(0)
  appendFileSync(join(folder, '00000001.json'), ' ')
  expect(await runCli(['evidence', 'verify', '--dir', folder])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('evidence-broken'),
  })
})

test('a plan is executed once', async () => {
  const digest = (await runCli(['digest', planPath()])).stdout.trim()
  const again = await standby([
    'failover',
    'execute',
    '--plan',
    planPath(),
    '--digest',
    digest,
    '--reason',
    'once more',
  ])
  expect(again.exitCode).toBe(3)
  expect(again.json.verdict).toBe('refused')
  expect((await standby(['status'])).json).toEqual(expect.objectContaining({ activeSite: 'dc-b', epoch: 2 }))
})

test('the way back goes through a reviewer on GitHub: planned by one job, approved, executed by another', async () => {
  const fake = await startGitHubFake({ repository: 'acme/stacks' })
  const github = controlGitHub(fake.url)
  await github.environment({ name: 'production-failover', reviewers: ['rita'] })
  const reviewed = declared({ github: true })
  const plan = join(reviewed.folder, 'plan.json')
  const run = await github.startRun({ actor: 'sam' })
  const planned = await runAction('failover', {
    with: { stack: reviewed.path, to: 'dc-a', plan },
    env: { ...reviewed.env, GITHUB_REPOSITORY: 'acme/stacks', GITHUB_RUN_ID: String(run.id) },
  })
  expect(planned.outputs).toEqual(expect.objectContaining({ 'reason-code': 'plan-ready', plan }))

  await github.reachEnvironment(run.id, 'production-failover')
  await github.review(run.id, { environment: 'production-failover', reviewer: 'rita', comment: 'go' })
  const moved = await runAction('failover', {
    with: {
      stack: reviewed.path,
      operation: 'execute',
      to: 'dc-a',
      confirm: 'dc-a',
      plan,
      digest: planned.outputs.digest ?? '',
    },
    env: {
      ...reviewed.env,
      GITHUB_TOKEN: 'ghs_the_token',
      GITHUB_API_URL: fake.url,
      GITHUB_REPOSITORY: 'acme/stacks',
      GITHUB_RUN_ID: String(run.id),
      GITHUB_RUN_ATTEMPT: '1',
      GITHUB_REF: 'refs/heads/main',
      GITHUB_SHA: run.sha,
    },
  })
  await fake.stop()
  expect(moved.errors).toEqual([])
  expect(moved.outputs).toEqual(
    expect.objectContaining({ decision: 'complete', 'reason-code': 'moved', digest: planned.outputs.digest }),
  )
  expect(schemaErrors('result.schema.json', moved.result)).toEqual([])
  expect(moved.summary).toContain('dc-a')
  for (const secret of [...reviewed.secrets, 'admin-token', 'ghs_the_token']) expect(moved.leaked).not.toContain(secret)

  const files = await evidenceFiles()
  expect(judgeChain(files).broken).toBeNull()
  const bodies = [...files.values()].flatMap((text) => bodyIn(text) ?? [])
  expect(bodies.filter(({ verdict }) => verdict === 'moved')).toHaveLength(2)
  expect(bodies.some(({ verdict }) => verdict === 'refused')).toBe(true)
  expect(bodies.at(-1)?.approval).toEqual(
    expect.objectContaining({
      kind: 'github-environment',
      requestedBy: 'sam',
      approvers: [expect.objectContaining({ name: 'rita' })],
    }),
  )
  expect(bodies.flatMap((body) => schemaErrors('evidence.schema.json', body))).toEqual([])
})
