import { afterEach, describe, expect, jest, test } from '@jest/globals'
import {
  type ActionName,
  INPUTS,
  readDeployInputs,
  readFailoverInputs,
  readStatusInputs,
  readVerifyBackupInputs,
} from '../../../src/actions/inputs.ts'
import type { StandbyError } from '../../../src/errors/standby-error.ts'

const before = { ...process.env }
afterEach(() => {
  process.env = { ...before }
})

/** Sets inputs as the runner does. */
function given(inputs: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(inputs)) process.env[`INPUT_${name.toUpperCase()}`] = value
}

function refusal(read: () => unknown): { readonly code: string; readonly text: string } {
  try {
    read()
  } catch (thrown) {
    const error = thrown as StandbyError
    return { code: error.code, text: `${error.message} ${error.next ?? ''}` }
  }
  throw new Error('it was accepted')
}

const digest = 'a1'.repeat(32)
const execute = { operation: 'execute', to: 'dc-b', confirm: 'dc-b', digest, 'github-token': 'ghs_some_token' }

test('status without any input reads standby.yaml and fails the job only when a site is broken', () => {
  expect(readStatusInputs()).toEqual({ stack: 'standby.yaml', failOn: 'broken' })
})

test('deploy takes components one per line or separated by commas', () => {
  given({ stack: 'x.yaml', 'dry-run': 'true', only: 'database\n  cache ,application\n\n' })
  expect(readDeployInputs()).toEqual({
    stack: 'x.yaml',
    checkOnly: false,
    dryRun: true,
    adopt: false,
    only: ['database', 'cache', 'application'],
  })
})

test('verify-backup takes a new backup first only when it is asked to: the credentials of a restore test cannot', () => {
  expect(readVerifyBackupInputs()).toEqual({ stack: 'standby.yaml', site: null, fresh: false })
  given({ fresh: 'true', site: 'dc-b' })
  expect(readVerifyBackupInputs()).toEqual({ stack: 'standby.yaml', site: 'dc-b', fresh: true })
})

test('what was read cannot be changed later', () => {
  given(execute)
  jest.spyOn(process.stdout, 'write').mockImplementation(() => true)
  for (const inputs of [readStatusInputs(), readFailoverInputs()]) expect(Object.isFrozen(inputs)).toBe(true)
  jest.restoreAllMocks()
})

describe('a typo', () => {
  const typos: [ActionName, () => unknown, string, string][] = [
    ['deploy', readDeployInputs, 'dryrun', 'dry-run'],
    ['deploy', readDeployInputs, 'dry_run', 'dry-run'],
    ['verify-backup', readVerifyBackupInputs, 'sites', 'site'],
    ['failover', readFailoverInputs, 'opertaion', 'operation'],
    ['failover', readFailoverInputs, 'confrim', 'confirm'],
    ['status', readStatusInputs, 'fail_on', 'fail-on'],
  ]
  test.each(typos)('of an input of %s is an error that names the right one', (_action, read, typo, right) => {
    given({ [typo]: 'x' })
    expect(refusal(read)).toEqual({ code: 'unknown-input', text: `there is no input ${typo} Did you mean ${right}?` })
  })

  test('of a value is an error that names the right one', () => {
    given({ operation: 'exceute' })
    expect(refusal(readFailoverInputs)).toEqual({
      code: 'input-invalid',
      text: 'operation is exceute, and must be one of plan, execute, resume, abort Did you mean execute?',
    })
    given({ 'dry-run': 'ture' })
    expect(refusal(readDeployInputs).text).toContain('Did you mean true?')
  })

  test('of something far away is left alone: a composite action hands its own inputs down', () => {
    given({ 'kubernetes-namespace': 'x', ...Object.fromEntries(INPUTS.status.map((name) => [name, ''])) })
    expect(readStatusInputs().stack).toBe('standby.yaml')
  })
})

describe('an execution', () => {
  test('needs a target, a digest, a confirmation and a token', () => {
    for (const missing of ['to', 'digest', 'confirm', 'github-token']) {
      process.env = { ...before }
      given({ ...execute, [missing]: '' })
      expect([missing, refusal(readFailoverInputs)]).toEqual([
        missing,
        expect.objectContaining({ code: 'input-missing' }),
      ])
    }
  })

  test('is refused when the typed confirmation is not the target', () => {
    given({ ...execute, confirm: 'dc-a' })
    expect(refusal(readFailoverInputs)).toEqual({
      code: 'not-confirmed',
      text: 'confirm is dc-a, the target is dc-b To move to dc-b, set confirm: dc-b. Nothing was changed.',
    })
  })

  test.each(['abc', `${digest}0`, digest.toUpperCase(), `${digest}\n${digest}`])(
    'is refused with the digest %j',
    (wrong) => {
      given({ ...execute, digest: wrong })
      expect(refusal(readFailoverInputs).code).toBe('input-invalid')
    },
  )

  test('masks its token before anything else is done with it', () => {
    given(execute)
    const written: string[] = []
    jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
      written.push(String(text))
      return true
    })
    readFailoverInputs()
    jest.restoreAllMocks()
    expect(written.join('')).toBe('::add-mask::ghs_some_token\n')
  })

  test.each(['resume', 'abort'])(
    'can be taken up again: %s needs the same confirmation and digest, and takes a run',
    (operation) => {
      given({ ...execute, operation, run: 'r1' })
      expect(readFailoverInputs()).toMatchObject({ operation, run: 'r1', to: 'dc-b', digest })
      given({ ...execute, operation, run: '' })
      expect(readFailoverInputs()).toMatchObject({ run: null })
      given({ ...execute, operation, digest: '' })
      expect(refusal(readFailoverInputs).code).toBe('input-missing')
    },
  )
})

describe('an input that another operation reads', () => {
  const cases: [string, Record<string, string>][] = [
    ['execute', { mode: 'failover' }],
    ['execute', { from: 'dc-a' }],
    ['execute', { 'accept-data-loss': '5m' }],
    ['resume', { mode: 'rejoin' }],
    ['abort', { 'accept-data-loss': '5m' }],
    ['plan', { digest }],
    ['plan', { confirm: 'dc-b' }],
    ['plan', { run: 'r1' }],
    ['execute', { 'plan-environment': 'production-observe' }],
  ]
  test.each(cases)('is refused by %s: %j', (operation, more) => {
    given(operation === 'plan' ? { operation, to: 'dc-b', ...more } : { ...execute, operation, ...more })
    expect(refusal(readFailoverInputs)).toEqual({
      code: 'input-invalid',
      text: expect.stringMatching(/belongs to operation: .*Leave it out/),
    })
  })

  test('is not refused at its default, nor empty, as action.yml and the reusable workflow hand it over', () => {
    given({ ...execute, mode: 'switchover', 'accept-data-loss': '', from: '', run: 'r1' })
    expect(readFailoverInputs()).toMatchObject({ operation: 'execute' })
    process.env = { ...before }
    given({ operation: 'plan', to: 'dc-b', mode: 'switchover', digest: '', run: '', confirm: '' })
    expect(readFailoverInputs()).toMatchObject({ operation: 'plan' })
  })
})

describe('a plan', () => {
  test('is asked for in one of three modes; a failover says what may be lost', () => {
    given({ operation: 'plan', to: 'dc-b', mode: 'failover', 'accept-data-loss': '5m' })
    expect(readFailoverInputs()).toMatchObject({
      operation: 'plan',
      request: { mode: 'failover', to: 'dc-b', acceptLoss: 300_000 },
    })
    given({ operation: 'plan', to: 'dc-b', mode: 'failover', 'accept-data-loss': 'unknown' })
    expect(readFailoverInputs()).toMatchObject({ request: { acceptLoss: 'unknown' } })
    given({ operation: 'plan', to: '', mode: 'failover', 'accept-data-loss': '5m' })
    expect(readFailoverInputs()).toEqual(
      expect.objectContaining({ request: { mode: 'failover', acceptLoss: 300_000 } }),
    )
    given({ operation: 'plan', to: 'dc-b', mode: '', 'accept-data-loss': '' })
    expect(readFailoverInputs()).toMatchObject({ request: { mode: 'switchover', to: 'dc-b' } })
  })

  test.each(['failovr', 'planned'])('in the mode %s is refused', (mode) => {
    given({ operation: 'plan', to: 'dc-b', mode })
    expect(refusal(readFailoverInputs)).toEqual(expect.objectContaining({ code: 'input-invalid' }))
  })

  test.each(['5', 'soon', '-1m', 'Unknown', 'any'])('that accepts the loss %j is refused', (bound) => {
    given({ operation: 'plan', to: 'dc-b', mode: 'failover', 'accept-data-loss': bound })
    expect(refusal(readFailoverInputs)).toEqual(expect.objectContaining({ code: 'input-invalid' }))
  })
})
