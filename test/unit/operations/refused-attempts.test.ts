import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { controlGitHub, type GitHubControl } from '../../../lab/github/control.ts'
import { startGitHubFake } from '../../../lab/github/server.ts'
import { openWitness } from '../../../src/composition/open-witness.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import { drivers, witnesses } from '../../../src/drivers/registry.ts'
import { judgeChain } from '../../../src/evidence/chain.ts'
import { decodeRecord, readChain } from '../../../src/evidence/keep-evidence.ts'
import type { EvidenceRecord } from '../../../src/evidence/refusal-body.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
import { htmlRun } from '../../../src/reporting/html-run.ts'
import { loadStack } from '../../../src/stack/load-stack.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import { awakeClock } from '../../support/awake-clock.ts'
import { kubeconfigOf } from '../../support/kubeconfig.ts'
import { type ObjectStoreServer, startObjectStore } from '../../support/object-store.ts'
import { schemaErrors } from '../../support/published-schemas.ts'
import { blackHole, planText, type SmallStack, smallStack } from '../../support/small-stack.ts'

jest.setTimeout(120_000)

const root = join(import.meta.dirname, '..', '..', '..')
// Addresses for documentation: a process that asks a site waits for ever, and fails these tests.
const kubeconfig = kubeconfigOf({ url: 'https://192.0.2.1' })

let server: ObjectStoreServer
let fake: Awaited<ReturnType<typeof startGitHubFake>>
let github: GitHubControl
beforeAll(async () => {
  ;[server, fake] = await Promise.all([startObjectStore(), startGitHubFake({ repository: 'acme/stacks' })])
  github = controlGitHub(fake.url)
})
afterAll(async () => {
  await Promise.all([server.stop(), fake.stop()])
})

const stackOn = (more: Partial<Parameters<typeof smallStack>[0]> = {}): SmallStack =>
  smallStack({
    kubernetes: { 'dc-a': kubeconfig, 'dc-b': kubeconfig },
    storage: server.endpoint,
    accessKeyId: 'root',
    secretAccessKey: 'root-secret',
    ...more,
  })

const witnessOf = async (stack: SmallStack): Promise<ConditionalStore> =>
  openWitness(await loadStack(stack.path, { drivers, witnesses }), stack.env, () => undefined)

/** What came to the chain of the witness while something happened; every record sound, and the chain whole. */
async function recorded(
  stack: SmallStack,
  happening: () => Promise<Ended>,
): Promise<{ ended: Ended; records: EvidenceRecord[] }> {
  const store = await witnessOf(stack)
  const before = await readChain(store)
  const ended = await happening()
  const after = await readChain(store)
  expect(judgeChain(after).broken).toBeNull()
  const added = [...after].filter(([name]) => name.endsWith('.json') && !before.has(name))
  const records = added.flatMap(([name, text]) => {
    const decoded = decodeRecord(name, text, null)
    return decoded.kind === 'sound' ? [decoded.record] : []
  })
  for (const record of records) expect(schemaErrors('evidence.schema.json', record)).toEqual([])
  expect(added.map(([, text]) => text).join('')).not.toContain('root-secret')
  return { ended, records }
}

interface Ended {
  readonly exitCode: number | null
  readonly said: string
}

/** A process of the sources (the bundle is tested elsewhere), with nothing of this test's environment. */
async function run(code: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, '--', ...args], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', USER: 'tester', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  return { exitCode: await new Promise((resolve) => child.once('close', resolve)), said }
}

const CLI = "import { main } from './src/cli/main.ts'\nawait main(process.argv.slice(1))"
const ACTION = "import { main } from './src/actions/failover.ts'\nawait main()"

const standby = (stack: SmallStack, ...args: readonly string[]): Promise<Ended> =>
  run(CLI, ['--stack', stack.path, 'failover', ...args], stack.env)

function planOf(stack: SmallStack, content: string): string {
  const path = join(stack.folder, 'plan.json')
  writeFileSync(path, content)
  return path
}

describe('a refused command on a terminal leaves a record', () => {
  const reason = ['--reason', 'incident 4711', '--requested-by', 'sam']
  let stack: SmallStack
  beforeAll(() => {
    stack = stackOn({ github: false })
  })

  test.each([
    ['with a plan that is not there', null, 'plan-not-found'],
    ['with a file that is no plan, and nothing of what is in it', 'users: the-content-of-a-kubeconfig', 'plan-invalid'],
    ['without a digest', planText(), 'approval-missing'],
  ])('%s', async (_name, content, code) => {
    const path = content === null ? join(stack.folder, 'none.json') : planOf(stack, content)
    const { ended, records } = await recorded(stack, () => standby(stack, 'execute', '--plan', path, ...reason))
    expect(ended.said).toContain(`standby: ${code}\n`)
    expect(ended.said).toContain('the refusal is recorded: evidence/')
    const parsed = code === 'approval-missing'
    expect(records).toMatchObject([
      {
        kind: 'refusal',
        operation: 'execute',
        verdict: 'refused',
        failure: { code },
        asked: { by: 'sam', reason: 'incident 4711', from: null },
        plan: parsed ? { id: 'made-by-hand', intent: { to: 'dc-b' } } : null,
      },
    ])
    expect(JSON.stringify(records)).not.toContain('the-content')
  })

  test('with an approved plan that is not true any more: the whole record of a run that did not begin', async () => {
    const path = planOf(stack, planText())
    const digest = digestOf(JSON.parse(planText()) as Plan)
    const { ended, records } = await recorded(stack, () =>
      standby(stack, 'execute', '--plan', path, '--digest', digest, ...reason),
    )
    expect(ended.exitCode).toBe(3)
    expect(records).toMatchObject([
      { kind: 'move', verdict: 'refused', failure: { code: 'plan-stale' }, approval: { digest } },
    ])
  })

  test('that continues an unknown run, or approves a run without a reason', async () => {
    const unknown = await recorded(stack, () => standby(stack, 'resume', '--run', 'r1'))
    expect(unknown.records).toMatchObject([
      { kind: 'refusal', operation: 'resume', run: 'r1', failure: { code: 'run-unknown' }, plan: null },
    ])
    const store = await witnessOf(stack)
    await store.create('runs/r1/plan.json', JSON.parse(planText()) as never)
    await store.create('runs/r1/approval.json', {
      ...{ kind: 'local', digest: '0'.repeat(64), approvers: [], requestedBy: 'ann', reason: null, proof: {} },
    })
    const silent = await recorded(stack, () => standby(stack, 'abort', '--run', 'r1', '--digest', '0'.repeat(64)))
    expect(silent.records).toMatchObject([
      {
        kind: 'refusal',
        operation: 'abort',
        run: 'r1',
        failure: { code: 'reason-missing' },
        plan: { id: 'made-by-hand' },
      },
    ])
  })

  test('the record is in the evidence that auditors read', async () => {
    const path = planOf(stack, planText())
    const { records } = await recorded(stack, () => standby(stack, 'execute', '--plan', path, ...reason))
    const evidence = (...args: string[]): Promise<Ended> =>
      run(CLI, ['--stack', stack.path, 'evidence', ...args], { STORE_KEY: 'root', STORE_SECRET: 'root-secret' })
    const name = records[0]?.run ?? ''
    expect((await evidence('list')).said).toMatch(
      new RegExp(`${name}  execute  switchover  dc-a → dc-b  refused  asked by sam, not approved  approval-missing`),
    )
    const shown = await evidence('show', name)
    expect(shown.said).toContain('refused: approval-missing')
    expect(htmlRun(records.map((body) => ({ file: '00000001.json', body })))).toContain('execute: refused')
  })
})

describe('a refused run of the action leaves a record', () => {
  const environment = 'production-failover'

  /** A run that sam started, without an approval. */
  async function execute(
    stack: SmallStack,
    env: Readonly<Record<string, string>> = {},
    plan: object = {},
    approvedBy: string | null = null,
  ): Promise<Ended & { page: string; summary: string }> {
    await github.environment({ name: environment, reviewers: ['rita'] })
    const { id, sha } = await github.startRun({ actor: 'sam' })
    await github.reachEnvironment(id, environment)
    if (approvedBy !== null) await github.review(id, { environment, reviewer: approvedBy })
    const page = `https://github.com/acme/stacks/actions/runs/${id}`
    const text = planText({ madeIn: page, ...plan })
    const inputs = {
      STACK: stack.path,
      OPERATION: 'execute',
      TO: 'dc-b',
      CONFIRM: 'dc-b',
      PLAN: planOf(stack, text),
      DIGEST: digestOf(JSON.parse(text) as Plan),
      'GITHUB-TOKEN': 'ghs_the_token',
    }
    const summary = join(stack.folder, `summary-${id}.md`)
    writeFileSync(summary, '')
    const ended = await run(ACTION, [], {
      ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name}`, value])),
      GITHUB_API_URL: fake.url,
      GITHUB_REPOSITORY: 'acme/stacks',
      GITHUB_RUN_ID: String(id),
      GITHUB_RUN_ATTEMPT: '1',
      GITHUB_SHA: sha,
      GITHUB_REF: 'refs/heads/main',
      GITHUB_ACTOR: 'sam',
      GITHUB_STEP_SUMMARY: summary,
      ...stack.env,
      ...env,
    })
    return { ...ended, page, summary: readFileSync(summary, 'utf8') }
  }

  test('when no reviewer approved: with the credentials of the witness, and none of a site', async () => {
    const stack = stackOn()
    let [page, summary] = ['', '']
    const { ended, records } = await recorded(stack, async () => {
      const done = await execute(stack, { KUBECONFIG_DC_A: 'no kubeconfig', KUBECONFIG_DC_B: '' })
      ;[page, summary] = [done.page, done.summary]
      return done
    })
    expect(ended.said).toContain('not-approved')
    // The head is kept where no writer of the witness can change it.
    expect(summary).toContain(judgeChain(await readChain(await witnessOf(stack))).head)
    expect(records).toMatchObject([
      {
        kind: 'refusal',
        operation: 'execute',
        failure: { code: 'not-approved' },
        asked: { by: 'sam', from: page },
        plan: { madeIn: page },
      },
    ])
  })

  test('when it was approved, and a kubeconfig cannot be read', async () => {
    const stack = stackOn()
    const { ended, records } = await recorded(stack, () =>
      execute(stack, { KUBECONFIG_DC_A: 'no kubeconfig' }, {}, 'rita'),
    )
    expect(ended.exitCode).toBe(1)
    expect(records).toMatchObject([
      { kind: 'refusal', operation: 'execute', asked: { by: 'sam' }, plan: { id: 'made-by-hand' } },
    ])
    expect(records[0]?.failure?.code).not.toBe('not-approved')
    expect(JSON.stringify(records)).not.toContain('no kubeconfig')
  })

  test('when the plan is for another site', async () => {
    const stack = stackOn()
    const { records } = await recorded(stack, () =>
      execute(stack, {}, { intent: { mode: 'switchover', from: 'dc-b', to: 'dc-a' } }),
    )
    expect(records).toMatchObject([{ kind: 'refusal', failure: { code: 'plan-for-another-site' }, plan: null }])
  })

  test('where the witness does not answer, the log says within seconds that no record could be left', async () => {
    const hole = await blackHole()
    const stack = stackOn({ storage: `http://127.0.0.1:${hole.port}` })
    const took = awakeClock()
    const { said, exitCode } = await execute(stack)
    await hole.stop()
    expect(exitCode).toBe(1)
    expect(said).toContain('not-approved')
    expect(said).toContain('the refusal could not be recorded, no evidence of it is left')
    expect(took()).toBeLessThan(30_000)
  })
})
