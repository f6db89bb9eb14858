import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, jest, test } from '@jest/globals'
import { kubeconfigOf } from '../support/kubeconfig.ts'
import { schemaErrors } from '../support/published-schemas.ts'
import { type ActionName, type ActionRun, runAction } from '../support/run-action.ts'
import { planText, smallStack } from '../support/small-stack.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const kubeconfig = kubeconfigOf({ url: 'https://192.0.2.1' })
const stack = smallStack({ kubernetes: { 'dc-a': kubeconfig, 'dc-b': kubeconfig }, storage: 'http://192.0.2.1:9' })
const execute = {
  operation: 'execute',
  to: 'dc-b',
  confirm: 'dc-b',
  digest: 'a1'.repeat(32),
  'github-token': 'ghs_some_token',
}

jest.setTimeout(30_000)

/** What every refusal owes its reader, whatever the reason. */
function expectRefusal(run: ActionRun, code: string, atLines = 0): void {
  expect(run.errors.join('\n')).toContain(code)
  expect(run.errors).toHaveLength(1 + atLines)
  expect(run.exitCode).toBe(1)
  expect(run.outputs).toEqual(expect.objectContaining({ decision: 'stop', 'reason-code': code }))
  expect(run.result).toEqual({ schemaVersion: 1, error: expect.objectContaining({ code }) })
  expect(run.summary).toContain(`## ❌ ${code}`)
  // A user has no use for a stack trace.
  expect(run.leaked).not.toMatch(/\n\s+at .*:\d+/)
}

describe('a wrong input is refused before anything is contacted, and the error says what to correct', () => {
  const cases: [string, ActionName, Readonly<Record<string, string>>, string, string][] = [
    ['a typo in an input', 'deploy', { dry_run: 'true' }, 'unknown-input', 'Did you mean dry-run?'],
    ['a value that does not exist', 'status', { 'fail-on': 'degarded' }, 'input-invalid', 'Did you mean degraded?'],
    ['a missing target', 'failover', { operation: 'execute' }, 'input-missing', 'to is missing'],
    [
      'a confirmation that is not the target',
      'failover',
      { ...execute, confirm: 'yes' },
      'not-confirmed',
      'Nothing was changed',
    ],
    ['a digest that is none', 'failover', { ...execute, digest: 'abc' }, 'input-invalid', '64 hex digits'],
    [
      'a stack file that is not there',
      'status',
      { stack: '/nowhere/standby.yaml' },
      'stack-not-found',
      '/nowhere/standby.yaml',
    ],
    // What the stack file alone refuses comes before the credentials that are missing as well.
    [
      'a site that is not declared',
      'failover',
      { stack: stack.path, operation: 'plan', to: 'dc-x' },
      'unknown-site',
      'Name one of dc-a, dc-b',
    ],
    [
      'a sandbox on a site that is not declared',
      'verify-backup',
      { stack: stack.path, site: 'dc-x' },
      'unknown-site',
      'Name one of dc-a, dc-b',
    ],
    [
      'a component that is not declared',
      'deploy',
      { stack: stack.path, only: 'cahce' },
      'unknown-component',
      'Name some of',
    ],
    ['credentials that are not set', 'status', { stack: stack.path }, 'credential-missing', 'KUBECONFIG_DC_A'],
  ]
  test.each(cases)('%s', async (_name, action, inputs, code, says) => {
    const run = await runAction(action, { with: inputs })
    expectRefusal(run, code)
    expect(run.errors[0]).toContain(says)
  })

  test('all mistakes of a stack file at once, each with its line', async () => {
    const path = join(temporaryFolder(), 'standby.yaml')
    writeFileSync(
      path,
      'standby: 1\nname: x\nsitse: {}\ninitialActive: dc-a\nwitness: { driver: s4 }\ncomponents: {}\n',
    )
    const run = await runAction('deploy', { with: { stack: path } })
    // Each problem stands at its line too.
    expectRefusal(run, 'stack-invalid', 3)
    expect(run.errors.at(-1)).toMatch(/:3:1.*sitse.*sites/s)
    expect(run.errors.at(-1)).toMatch(/:5:.*s4.*s3/s)
    expect(run.commands).toContain(
      `::error title=Standby,file=${path},line=3,col=1::sitse: unknown key; did you mean sites?`,
    )
  })

  test('a check alone needs no credential, and says the same at the lines', async () => {
    const path = join(temporaryFolder(), 'standby.yaml')
    writeFileSync(
      path,
      'standby: 1\nname: x\nsitse: {}\ninitialActive: dc-a\nwitness: { driver: s4 }\ncomponents: {}\n',
    )
    const wrong = await runAction('deploy', { with: { stack: path, 'check-only': 'true' } })
    expect(wrong.exitCode).toBe(1)
    expect(wrong.outputs).toMatchObject({ decision: 'stop', 'reason-code': 'stack-invalid' })
    expect(wrong.commands).toContain(
      `::error title=Standby,file=${path},line=3,col=1::sitse: unknown key; did you mean sites?`,
    )
    expect(wrong.summary).toContain('| 3 | sitse |')
    const right = await runAction('deploy', { with: { stack: stack.path, 'check-only': 'true' } })
    expect(right.exitCode).toBe(0)
    expect(right.outputs).toMatchObject({ decision: 'complete', 'reason-code': 'stack-sound' })
    expect(schemaErrors('result.schema.json', right.result)).toEqual([])
  })

  test('all credentials that are missing at once, with the input that is empty', async () => {
    const run = await runAction('status', { with: { stack: stack.path } })
    expectRefusal(run, 'credential-missing')
    for (const name of Object.keys(stack.env)) expect(run.errors[0]).toContain(name)
    expect(run.errors[0]).toContain('The input credentials is empty')
    const { KUBECONFIG_DC_A: given, ...others } = stack.env
    const misspelt = await runAction('status', {
      with: { stack: stack.path, credentials: JSON.stringify({ ...others, KUBECONFIG_DCA: given }) },
    })
    expect(misspelt.errors[0]).toContain('KUBECONFIG_DC_A (given is KUBECONFIG_DCA: is it that?)')
  })

  test.each(['{"A": "the-secret-value"', '["the-secret-value"]', '{"A": {"b": "the-secret-value"}}'])(
    'credentials that are not one object of texts, without showing them',
    async (credentials) => {
      const run = await runAction('status', { with: { stack: stack.path, credentials } })
      expectRefusal(run, 'credentials-invalid')
      expect(run.leaked).not.toContain('the-secret-value')
    },
  )

  test.each([
    ['a plan that is not there', null, 'plan-not-found'],
    ['a plan that is not JSON', '{', 'plan-invalid'],
    ['a plan of something else', '{"schemaVersion":1,"tool":{"name":"terraform"}}', 'plan-invalid'],
    ['a plan that lacks what it must have', planText({ expiresAt: undefined }), 'plan-invalid'],
    [
      'a plan to another site',
      planText({ intent: { mode: 'switchover', from: 'dc-b', to: 'dc-a' } }),
      'plan-for-another-site',
    ],
  ])('%s', async (_name, content, code) => {
    const plan = join(temporaryFolder(), 'plan.json')
    if (content !== null) writeFileSync(plan, content)
    const run = await runAction('failover', { with: { ...execute, stack: stack.path, plan }, env: stack.env })
    expectRefusal(run, code)
  })
})
