import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { runProcess } from '../../../../src/clients/process.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { guardedUnits, judged } from '../../../../src/drivers/redis-sentinel/guarded-units.ts'
import type { Group } from '../../../../src/drivers/redis-sentinel/spec.ts'
import type { RedisServer } from '../../../../src/drivers/redis-sentinel/views.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

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

describe('the configuration file of a stopped Redis', () => {
  const configFile = join(temporaryFolder(), 'redis.conf')
  const redis = { ra: { host: 'app', address: '192.0.2.1:6379', configFile } }
  const spec = { group: 'g', control: 'true', sites: { 'dc-a': { redis, sentinels: {} } } }
  const component = { name: 'cache', driver: 'redis-sentinel', needs: [], spec } as unknown as Group
  const context = {
    stack: { sites: [{ name: 'dc-a' }] },
    signal: AbortSignal.timeout(30_000),
    platform: () => ({
      run: (_machine: string, command: string) =>
        runProcess('sh', ['-c', command.replace('true is-active', 'echo inactive; true')], { deadline: 10_000 }),
      machines: {},
    }),
  } as unknown as DriverContext
  const [unit] = guardedUnits.units(component, 'dc-a' as SiteName, 'app')

  test.each([
    ['harmless', 'port 6379\nreplicaof 192.0.2.2 6379\n'],
    ['harmless', '  SlaveOf\t"192.0.2.2"  6379\n'],
    ['harmless', 'replicaof no one\nreplicaof 192.0.2.2 6379\n'],
    ['opens', 'port 6379\n# replicaof 192.0.2.2 6379\n'],
    ['opens', 'replicaof no one\n'],
    ['opens', 'replicaof 192.0.2.2 6379\n  REPLICAOF  "NO"\tone\n'],
  ])('makes its start %s: %j', async (start, text) => {
    writeFileSync(configFile, text)
    expect(await unit?.look(context)).toMatchObject({ start })
  })
})
