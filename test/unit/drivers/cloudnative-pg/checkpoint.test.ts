import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import * as move from '../../../../src/drivers/cloudnative-pg/move/checkpoint.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { cluster, primary, replica } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'
import { behaviourOf, planned } from './of-kit.ts'

const database = theDatabase()
const checkpoint = behaviourOf(move.checkpoint)
const stack = databaseStack(database)
const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }

/**
 * Both sites, with what is free on their volumes in MB (null: no `df` there), and what tries the writes of the move.
 */
async function prepared(
  free: { a: number | null; b: number | null },
  onWrite: (site: string) => void = () => undefined,
) {
  const tried: string[] = []
  const kubernetesOf = (site: string): Partial<KubernetesClient> => {
    const [name, says, megabytes] = site === 'dc-a' ? ['pg-dc-a', primary, free.a] : ['pg-dc-b', replica, free.b]
    const line = (of: string): string => `/dev/${of} 4000000 1 ${String((megabytes ?? 0) * 1024)} 1% /var/lib/${of}\n`
    return {
      site,
      get: async () => cluster(name as string) as never,
      proxyGet: async () => ({ status: 200, body: JSON.stringify(says) }),
      exec: async (_pod, argv, { stdin = '' } = {}) => {
        if (stdin.includes('pg_switch_wal')) return { code: 0, stdout: '0/8000100\u001f16777216\n', stderr: '' }
        expect(argv.join(' ')).toContain('df -Pk')
        if (megabytes === null) return { code: 127, stdout: '', stderr: 'df: not found' }
        return {
          code: 0,
          stdout: `Filesystem 1024-blocks Used Available Capacity Mounted\n${line('data')}${line('wal')}`,
          stderr: '',
        }
      },
      apply: async (object: KubernetesObject, options: object = {}) => {
        onWrite(site)
        tried.push(
          `${site} ${object.metadata.name} ${JSON.stringify(options).includes('"dryRun":true') ? 'as a dry run' : 'FOR REAL'}`,
        )
        return object
      },
    }
  }
  const run = {
    step: planned(database, move.checkpointStep(database, intent)),
    component: database,
    intent,
    context: { stack, kubernetes: kubernetesOf, clock: { now: () => new Date() } },
    signal: new AbortController().signal,
    begunAt: new Date().toISOString(),
    proofOf: () => null,
  } as unknown as FlatRun<CloudNativePgSpec>
  await checkpoint.apply?.(run)
  return { done: () => checkpoint.done(run), tried }
}

describe('the first step of a switchover', () => {
  test('ends once both sites have room, and have taken the writes of the move as a dry run', async () => {
    const { done, tried } = await prepared({ a: 900, b: 800 })
    expect(await done()).toMatchObject({
      is: 'done',
      proof: { segmentsBehind: 0, freeForWal: { 'pg-dc-a': 900 * 1024 * 1024, 'pg-dc-b': 800 * 1024 * 1024 } },
    })
    expect(tried.sort()).toEqual(['dc-a pg-dc-a as a dry run', 'dc-b pg-dc-b as a dry run'])
  })
  test.each([
    ['the new site', { a: 900, b: 20 }, 'pg-dc-b'],
    ['the old site, which restarts as a replica', { a: 20, b: 900 }, 'pg-dc-a'],
  ])('fails while users are served where a volume of %s is full', async (_, free, full) => {
    expect(await (await prepared(free)).done()).toMatchObject({
      is: 'failed',
      code: 'volume-too-full',
      why: `the volume of pg_wal of ${full} has 20 MB left, and a move needs 64 MB`,
    })
  })
  test('goes on where an image has no df: the room is unknown', async () => {
    expect(await (await prepared({ a: 900, b: null })).done()).toMatchObject({
      is: 'done',
      proof: { freeForWal: { 'pg-dc-a': 900 * 1024 * 1024 } },
    })
  })
  test('does not end while a site refuses a write of the move', async () => {
    const { done } = await prepared({ a: 900, b: 900 }, (site) => {
      if (site === 'dc-b') throw siteError('kubernetes-forbidden', 'may not patch clusters', { retry: 'never' })
    })
    await expect(done()).rejects.toMatchObject({ code: 'kubernetes-forbidden' })
  })
})
