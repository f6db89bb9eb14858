import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { runAction } from '../support/run-action.ts'
import { runCli } from '../support/run-cli.ts'
import { type BlackHole, blackHole, type SmallStack, silentStack } from '../support/small-stack.ts'

let hole: BlackHole
let stack: SmallStack
/** 3 s for the observation, the rest for a start of Node, which a busy machine draws out. */
let inTime: number
beforeAll(async () => {
  hole = await blackHole()
  stack = silentStack(hole)
  const start = (await runCli(['--version'])).milliseconds
  inTime = 3_000 + 1_000 + 2 * start
})
afterAll(() => hole.stop())
jest.setTimeout(30_000)

describe('sites and a witness that take connections and say nothing', () => {
  test('are known as silent within 3 s, and fail the job', async () => {
    const run = await runAction('status', { with: { stack: stack.path }, env: stack.env })
    expect(run.milliseconds).toBeLessThan(inTime)
    expect(run.exitCode).toBe(1)
    expect(run.outputs).toEqual(
      expect.objectContaining({ decision: 'stop', 'reason-code': 'status-broken', 'active-site': '', epoch: '' }),
    )
    const codes = (run.result.findings as { code: string; site?: string }[]).map(({ code, site }) =>
      `${code} ${site ?? ''}`.trim(),
    )
    expect(codes).toEqual(expect.arrayContaining(['site-silent dc-a', 'site-silent dc-b', 'witness-silent']))
    expect(run.summary).toMatch(/dc-a/)
  })

  test('leave the job green when the caller only wants to know', async () => {
    const run = await runAction('status', { with: { stack: stack.path, 'fail-on': 'never' }, env: stack.env })
    expect(run.exitCode).toBe(0)
    expect(run.outputs['reason-code']).toBe('status-broken')
    expect(run.errors).toEqual([])
  })

  test('are not deployed to, and nothing is changed', async () => {
    const run = await runAction('deploy', { with: { stack: stack.path }, env: stack.env })
    expect(run.outputs).toEqual(expect.objectContaining({ decision: 'failure', 'reason-code': 'witness-silent' }))
    expect(run.errors[0]).toContain('Nothing was changed')
  })

  test('end the command line with exit code 1 and the same facts', async () => {
    const run = await runCli(['--stack', stack.path, '--json', 'status'], { env: stack.env })
    expect(run.milliseconds).toBeLessThan(inTime)
    expect(run.exitCode).toBe(1)
    expect(JSON.parse(run.stdout)).toEqual(expect.objectContaining({ schemaVersion: 1, verdict: 'broken' }))
  })
})

describe.each(['SIGINT', 'SIGTERM'] as const)('a run that gets %s', (signal) => {
  test('stops waiting at once, and still sets its outputs', async () => {
    const own = await blackHole()
    const waiting = silentStack(own)
    let sent = 0
    const run = await runAction('status', {
      with: { stack: waiting.path },
      env: waiting.env,
      meanwhile: async (child) => {
        await own.touched
        await pause(200)
        sent = performance.now()
        child.kill(signal)
      },
    })
    expect(performance.now() - sent).toBeLessThan(2_000)
    await own.stop()
    expect(run.exitCode).toBe(1)
    expect(run.outputs).toEqual(expect.objectContaining({ decision: 'failure', 'reason-code': 'cancelled' }))
    expect(run.errors).toEqual([expect.stringContaining('cancelled')])
  })

  test('ends the command line with exit code 130', () => endsInGoodOrder(signal))
})

test('a terminal that is closed ends the command line in good order, as an interruption does', () =>
  endsInGoodOrder('SIGHUP'))

async function endsInGoodOrder(signal: NodeJS.Signals): Promise<void> {
  const own = await blackHole()
  const waiting = silentStack(own)
  const run = await runCli(['--stack', waiting.path, 'status'], {
    env: waiting.env,
    meanwhile: async (child) => {
      await own.touched
      child.kill(signal)
    },
  })
  await own.stop()
  expect(run.exitCode).toBe(130)
  expect(run.stderr).toContain('standby: cancelled')
}

test('no secret leaves the process, neither in the log, nor in outputs or summary', async () => {
  const run = await runAction('status', { with: { stack: stack.path }, env: { ...stack.env, RUNNER_DEBUG: '1' } })
  for (const secret of stack.secrets) {
    expect(run.masked.some((mask) => secret.includes(mask) || mask.includes(secret))).toBe(true)
    expect(run.leaked).not.toContain(secret)
  }
})
