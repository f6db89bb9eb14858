import { spawnSync } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { withProcessLock } from '../../../lab/process-lock.ts'
import { needs } from '../../support/needs.ts'

needs('linux')

const lockFile = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'standby-lock-')), 'lock')

describe('a lock between processes', () => {
  test('lets one after the other in', async () => {
    const file = await lockFile()
    const log: string[] = []
    const enter = (name: string): Promise<void> =>
      withProcessLock(
        file,
        () => sleep(5),
        async () => {
          log.push(`${name} begins`)
          await sleep(30)
          log.push(`${name} ends`)
        },
      )
    await Promise.all([enter('one'), enter('two')])
    const [first, second] = log[0] === 'one begins' ? ['one', 'two'] : ['two', 'one']
    expect(log).toEqual([`${first} begins`, `${first} ends`, `${second} begins`, `${second} ends`])
  })

  test('names who holds it, and gives up on request', async () => {
    const file = await lockFile()
    const refuse = async (holder: number): Promise<void> => {
      throw new Error(`held by ${holder}`)
    }
    await withProcessLock(file, refuse, async () => {
      await expect(withProcessLock(file, refuse, async () => undefined)).rejects.toThrow(`held by ${process.pid}`)
    })
    await expect(withProcessLock(file, refuse, async () => 'free again')).resolves.toBe('free again')
  })

  test('of a process that died is taken over, also when its id was given away again', async () => {
    const dead = spawnSync('true').pid
    for (const holder of [
      { pid: dead, startTime: '1' },
      { pid: process.pid, startTime: '1' },
    ]) {
      const file = await lockFile()
      await writeFile(file, JSON.stringify(holder))
      const never = async (pid: number): Promise<void> => {
        throw new Error(`process ${pid} is not there`)
      }
      await expect(withProcessLock(file, never, async () => 'taken over')).resolves.toBe('taken over')
    }
  })
})
