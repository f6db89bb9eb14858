import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { Intent } from '../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../src/domain/stack.ts'
import { drivers, witnesses } from '../../src/drivers/registry.ts'
import { predictedTimes } from '../../src/planning/predicted-times.ts'
import { witnessSteps } from '../../src/planning/witness-steps.ts'
import { loadStack } from '../../src/stack/load-stack.ts'
import { kubeconfigOf } from '../support/kubeconfig.ts'
import { type CliRun, runCli } from '../support/run-cli.ts'
import { planText, type SmallStack, smallStack } from '../support/small-stack.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

// Each refusal tries for 3 s to leave its record in a witness that is not there.
jest.setTimeout(120_000)

const REASON = 'GitHub is down since 02:10, incident 4711'
// Addresses for documentation: a process that asks the sites before the approval is judged waits for ever, and fails
// these tests.
const kubeconfig = kubeconfigOf({ url: 'https://192.0.2.1' })
const folder = temporaryFolder()

function keyOf(name: string): string {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `${name}@laptop`, '-f', join(folder, name)])
  return readFileSync(join(folder, `${name}.pub`), 'utf8').trim()
}

/** As the documentation has it: the signer's own ssh-keygen, over the text in a file. */
function sign(name: string, text: string, namespace = 'standby-plan@v1'): string {
  const file = join(folder, `${name}-approval.txt`)
  writeFileSync(file, text)
  execFileSync('rm', ['-f', `${file}.sig`])
  execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-f', join(folder, name), '-n', namespace, file], { stdio: 'ignore' })
  return `${file}.sig`
}

/** A plan without a visible defect: people sign only such a plan. */
function soundPlanText({ source, approval }: Stack): string {
  const madeAt = Date.now()
  const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
  const steps = witnessSteps(intent)
  const loss = { bytes: [0, 0], seconds: [0, 0], why: 'nothing' }
  return planText({
    stack: { name: 'small', digest: source.digest },
    madeAt: new Date(madeAt).toISOString(),
    expiresAt: new Date(madeAt + approval.expiry).toISOString(),
    steps,
    predictions: { ...predictedTimes(steps, intent), learned: { runs: 0, steps: 0 }, loss },
    facts: [{ component: 'sites', site: 'dc-a', name: 'seen alive', value: true, binds: 'exactly' }],
    liveness: { site: 'dc-a', is: 'up', sightings: [{ from: 'here', says: 'up', what: 'it answers' }] },
  })
}

let stack: SmallStack
let plan: string
beforeAll(async () => {
  const keys = ['rita', 'omar', 'olga'].map((name) => `{ name: ${name}, key: ${keyOf(name)} }`)
  keyOf('mallory')
  stack = smallStack({
    kubernetes: { 'dc-a': kubeconfig, 'dc-b': kubeconfig },
    storage: 'http://192.0.2.1:9',
    approval: `{ github: { environment: production-failover, branch: main }, signatures: { required: 2, keys: [${keys.join(', ')}] } }`,
  })
  plan = join(stack.folder, 'plan.json')
  writeFileSync(plan, soundPlanText(await loadStack(stack.path, { drivers, witnesses })))
}, 60_000)

const standby = (...args: readonly string[]): Promise<CliRun> =>
  runCli(['--stack', stack.path, ...args], { env: stack.env })
const approve = async (...more: readonly string[]): Promise<string> =>
  (await standby('failover', 'approve', '--plan', plan, '--reason', REASON, '--requested-by', 'sam', ...more)).stdout
const execute = (signatures: readonly string[], more: readonly string[] = []): Promise<CliRun> => {
  const given = signatures.length === 0 ? [] : ['--signature', ...signatures]
  return standby('failover', 'execute', '--plan', plan, '--reason', REASON, '--requested-by', 'sam', ...given, ...more)
}

describe('standby failover approve', () => {
  test('prints what is signed, without any credential, and says how to sign', async () => {
    const run = await runCli(['--stack', stack.path, 'failover', 'approve', '--plan', plan, '--reason', REASON])
    expect(run.exitCode).toBe(0)
    expect(run.stdout).toMatch(/^Standby approval, version 1\npurpose: execute the plan\nstack: small\n/)
    expect(run.stdout).toMatch(/\nrequested by: tester\nreason: GitHub is down since 02:10, incident 4711\n$/)
    expect(run.stderr).toContain('2 of rita, omar, olga')
    expect(run.stderr).toContain('ssh-keygen -Y sign -f <key> -n standby-plan@v1')
  })

  test('writes the very same bytes to a file', async () => {
    const file = join(folder, 'text')
    await approve('--out', file)
    expect(readFileSync(file, 'utf8')).toBe(await approve())
  })

  test('refuses a plan that was made of another stack file', async () => {
    const other = join(stack.folder, 'other.json')
    writeFileSync(other, planText())
    const run = await standby('failover', 'approve', '--plan', other, '--reason', REASON)
    expect(run).toMatchObject({ exitCode: 3, stdout: '' })
    expect(run.stderr).toContain('standby: plan-stale')
  })
})

describe('standby failover execute', () => {
  test('takes enough signatures of ssh-keygen, and asks the sites only then', async () => {
    const text = await approve()
    const run = await execute([sign('rita', text), sign('olga', text)])
    // The sites and the witness of this stack do not exist: what is beyond the approval ends there.
    expect(run.stderr + run.stdout).not.toMatch(/approval-|signature-|signer-|signatures-/)
    expect(run.stdout).toMatch(/approved +signatures: rita, olga/)
    expect(run.stderr + run.stdout).toMatch(/witness|plan-stale|silent/)
    expect(run.exitCode).not.toBe(0)
  })

  test('refuses with exit code 3, a code, and what to do, when that is not so', async () => {
    const text = await approve()
    const rita = sign('rita', text)
    const cases: [string, CliRun][] = [
      ['approval-missing', await execute([])],
      ['signatures-too-few', await execute([rita])],
      ['signatures-too-few', await execute([rita, rita])],
      ['signature-by-stranger', await execute([rita, sign('olga', text), sign('mallory', text)])],
      ['signature-namespace', await execute([rita, sign('olga', text, 'git')])],
      ['signature-unreadable', await execute([rita, plan])],
      ['signature-wrong', await execute([rita, sign('olga', text.replace('4711', '4712'))])],
      ['signature-wrong', await execute([rita, sign('olga', await approve('--resume', 'r1'))])],
      ['digest-mismatch', await execute([rita, sign('olga', text)], ['--digest', '0'.repeat(64)])],
    ]
    for (const [code, run] of cases) {
      expect(run.stderr).toContain(`standby: ${code}\n`)
      expect(run.stderr).toContain('Nothing was changed.')
      expect(run).toMatchObject({ exitCode: 3, stdout: '' })
    }
  })

  test('refuses a signature file that is not there as wrong input', async () => {
    const run = await execute([join(folder, 'none.sig')])
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain('standby: signature-not-found')
  })

  test('knows no way past the reviewers any more', async () => {
    const run = await execute([], ['--break-glass'])
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain('--break-glass')
  })
})
