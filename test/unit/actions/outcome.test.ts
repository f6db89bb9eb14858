import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { failedOutcome, PATIENCE, rendered, resultText } from '../../../src/actions/outcome.ts'
import { StandbyError } from '../../../src/errors/standby-error.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

test('an error is shown with its code first, then what, where and what to do next', () => {
  const error = new StandbyError({
    code: 'site-silent',
    mustAct: 'site',
    what: 'dc-b does not answer',
    where: 'dc-b',
    next: 'Look at it.',
  })
  expect(rendered(error)).toBe('site-silent: dc-b does not answer\n  where: dc-b\n  next:  Look at it.')
  expect(rendered(new StandbyError({ code: 'moved', mustAct: 'input', what: 'x' }))).toBe('moved: x')
})

test('a refusal that is on record says where, with the head to keep', () => {
  const error = new StandbyError({ code: 'not-approved', mustAct: 'approval', what: 'nobody approved' })
  expect(failedOutcome(error).summary).not.toContain('on record')
  error.evidence = { record: 'evidence/00000009.json', head: 'e'.repeat(64) }
  for (const part of ['not-approved', 'evidence/00000009.json', 'e'.repeat(64)])
    expect(failedOutcome(error).summary).toContain(part)
})

test('a result carries its schema version, and one that GitHub would drop says so instead of taking the other outputs with it', () => {
  expect(JSON.parse(resultText({ a: 1 }))).toEqual({ schemaVersion: 1, a: 1 })
  const large = resultText({ a: 'x'.repeat(500_000) })
  expect(large.length).toBeLessThan(1_000)
  expect(JSON.parse(large)).toEqual({ schemaVersion: 1, tooLarge: { characters: expect.any(Number), limit: 400_000 } })
})

/** What a runner does when the job is cancelled: SIGINT, SIGTERM after 7.5 s, SIGKILL after 10 s. */
const SECOND_SIGNAL = 7_500

/** Ends after one signal, with what it wrote as outputs: a second one never comes, however busy the machine is. */
async function interrupted(run: string): Promise<{
  readonly exitCode: number | null
  readonly outputs: string
  readonly said: string
}> {
  const output = join(temporaryFolder(), 'output')
  writeFileSync(output, '')
  const script = `import { finish } from '${join(import.meta.dirname, '../../../src/actions/outcome.ts')}'
    setInterval(() => undefined, 1_000)
    await finish((signal) => {
      console.log('ready')
      return (${run})(signal)
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { PATH: process.env.PATH, GITHUB_OUTPUT: output },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  const ready = new Promise<void>((resolve) =>
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      resolve()
    }),
  )
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  // It is asked for its outcome after it listens to signals.
  await ready
  child.kill('SIGINT')
  return { exitCode: await ended, outputs: readFileSync(output, 'utf8'), said }
}

test('a cancelled run that does not listen still leaves its outputs, before the runner sends its second signal', async () => {
  const { exitCode, outputs } = await interrupted('() => new Promise(() => undefined)')
  // A second is left to write them.
  expect(PATIENCE).toBeLessThanOrEqual(SECOND_SIGNAL - 1_000)
  expect(exitCode).toBe(1)
  expect(outputs).toMatch(/reason-code<<.*\ncancelled\n/)
  expect(outputs).toMatch(/decision<<.*\nfailure\n/)
}, 20_000)

test('a cancelled run that listens has its own last word', async () => {
  const { exitCode, outputs } = await interrupted(
    `(signal) => new Promise((resolve) => signal.addEventListener('abort', () =>
      resolve({ decision: 'stop', reasonCode: 'moved', result: { undone: true }, summary: '', failure: 'it was undone' })))`,
  )
  expect(exitCode).toBe(1)
  expect(outputs).toMatch(/reason-code<<.*\nmoved\n/)
  expect(outputs).toContain('"undone":true')
}, 20_000)

test('a promise that is never awaited does not end a run half way', async () => {
  const { outputs, said } = await interrupted(
    `async (signal) => {
      void Promise.reject(new Error('forgotten\\n::set-output name=x::y'))
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return { decision: 'complete', reasonCode: 'moved', result: {}, summary: '', failure: null }
    }`,
  )
  expect(outputs).toMatch(/reason-code<<.*\nmoved\n/)
  expect(said).toContain('internal-error: forgotten')
  expect(said).not.toMatch(/^::set-output/m)
}, 20_000)
