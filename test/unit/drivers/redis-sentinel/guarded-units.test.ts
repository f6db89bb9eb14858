import { describe, expect, test } from '@jest/globals'
import { judged } from '../../../../src/drivers/redis-sentinel/guarded-units.ts'
import type { RedisServer } from '../../../../src/drivers/redis-sentinel/views.ts'

const SILENT = { is: 'silent', why: 'no answer' } as const
const server = (role: 'master' | 'replica', minReplicasToWrite = 0): RedisServer =>
  ({ is: 'answering', role, minReplicasToWrite, minReplicasMaxLag: 10 }) as RedisServer
const of = (view: Parameters<typeof judged>[0]['view'], file: 'replica' | 'master' | 'unread', runs = true) => {
  const { is, start } = judged({ name: 'ra', view, runs, file })
  return [is, start]
}

describe('a Redis on a site that is not active', () => {
  test('that is stopped may start only as a replica: its own file says so', () => {
    expect(of(SILENT, 'replica', false)).toEqual(['passive', 'harmless'])
    expect(of(SILENT, 'master', false)).toEqual(['shut', 'opens'])
    expect(of(SILENT, 'unread', false)).toEqual(['shut', 'unknown'])
  })
  test('is open as a master, and not as a replica', () => {
    expect(of(server('master'), 'master')[0]).toBe('open')
    expect(of(server('replica'), 'replica')[0]).toBe('passive')
  })
  test('that a move has closed, and will hand over, is not stopped amid the move', () => {
    expect(of(server('master', 1_000), 'master')[0]).toBe('shut')
  })
  test('that does not answer is judged by its file, and by nothing where that is not known', () => {
    expect(of(SILENT, 'master')[0]).toBe('open')
    expect(of(SILENT, 'replica')[0]).toBe('passive')
    expect(of(SILENT, 'unread')[0]).toBe('unknown')
  })
})
