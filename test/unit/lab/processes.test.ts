import { spawn } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { CommandFailed, execute, succeeds } from '../../../lab/execute.ts'
import { usual } from '../../../lab/progress.ts'
import { startTimeOf } from '../../../lab/state.ts'
import { until } from '../../../lab/until.ts'
import { needs } from '../../support/needs.ts'

needs('linux')

describe('commands', () => {
  test('a failed command tells its exit code and its last words', async () => {
    await expect(execute('sh', ['-c', 'echo because >&2; exit 3'])).rejects.toThrow(/exit code 3\n {2}because/)
  })

  test('a command that hangs is ended at its deadline', async () => {
    // One that was left to itself would end well.
    await expect(execute('sleep', ['30'], { deadline: 100 })).rejects.toBeInstanceOf(CommandFailed)
  })

  test('an interrupted command is ended at once', async () => {
    const controller = new AbortController()
    const running = execute('sleep', ['30'], { signal: controller.signal })
    controller.abort()
    await expect(running).rejects.toThrow(/interrupted/)
  })

  test('a question is answered by the exit code, and a missing program is no answer', async () => {
    expect(await succeeds('true', [])).toBe(true)
    expect(await succeeds('false', [])).toBe(false)
    await expect(succeeds('/does/not/exist', [])).rejects.toThrow(/ENOENT/)
  })
})

describe('waiting', () => {
  test('ends with what was waited for and where to look', async () => {
    const patience = { deadline: 50, every: 10, hint: () => 'look here' }
    await expect(until('the moon', patience, async () => false)).rejects.toThrow(
      /lab-timeout: the moon.*\n {2}look here/,
    )
  })
})

describe('processes', () => {
  test('a start time tells a process from an ended one', async () => {
    const child = spawn('sleep', ['30'])
    const pid = child.pid ?? -1
    expect(startTimeOf(pid)).toMatch(/^\d+$/)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    expect(startTimeOf(pid)).toBeUndefined()
  })
})

describe('usual times', () => {
  test('one slow run does not change what is usual', () => {
    expect(usual([5, 6, 60])).toBe(6)
    expect(usual([])).toBeUndefined()
  })
})
