import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { promoteLost } from '../../../../src/drivers/patroni/failover/promote-lost.ts'
import type { MemberHost } from '../../../../src/drivers/patroni/host.ts'
import { refuseUnreadable } from '../../../../src/drivers/patroni/rejoin/keep-evidence.ts'
import { wipe } from '../../../../src/drivers/patroni/rejoin/wipe.ts'
import { type DatabaseRun, wake } from '../../../../src/drivers/patroni/run.ts'
import { type Database, standbyClusterOf } from '../../../../src/drivers/patroni/spec.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { patroniFixture } from '../../../conformance/fixtures/patroni.ts'

const component = patroniFixture.component as unknown as Database
const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const FAILOVER: Intent = { mode: 'failover', from: A, to: B }

interface Answers {
  /** Keys of the scope in the store. */
  readonly keys: Readonly<Record<string, unknown>>
  /** A REST API: of a GET or a PATCH. */
  member?(url: string): Promise<JsonObject> | JsonObject
  /** A command on a host. */
  host?(machine: string, command: string): { readonly code: number; readonly stdout?: string }
}
function runOf<Parameters extends JsonObject>(site: SiteName, parameters: Parameters, answers: Answers) {
  const encoded = (text: string): string => Buffer.from(text).toString('base64')
  const kvs = Object.entries(answers.keys).map(([key, value]) => ({
    key: encoded(`/service/app/${key}`),
    value: encoded(typeof value === 'string' ? value : JSON.stringify(value)),
    mod_revision: '7',
  }))
  const context = {
    stack: { sites: [A, B].map((name) => ({ name })) },
    log: { info: () => undefined, debug: () => undefined },
    clock: { now: () => new Date(0), sleep: async () => undefined },
    credential: async () => 'secret',
    async http({ url }: { readonly url: string }) {
      const body = url.endsWith('/v3/kv/range') ? { kvs } : await (answers.member?.(url) ?? {})
      return { status: 200, body: JSON.stringify(body), headers: {} }
    },
    platform: () => ({
      run: async (machine: string, command: string) => ({
        stdout: '',
        stderr: '',
        ...(answers.host?.(machine, command) ?? { code: 1 }),
      }),
    }),
  }
  return {
    step: { id: 'database.step', phase: 'PROMOTE', parameters },
    component,
    site,
    intent: FAILOVER,
    context,
    signal: AbortSignal.timeout(30_000),
    begunAt: '2026-11-30T08:00:00.000Z',
    memory: { value: undefined, set: () => undefined },
    applied: false,
    pastReturn: true,
    proofOf: () => null,
  } as unknown as DatabaseRun<Parameters>
}

describe('a Patroni cluster whose state is not what it seems', () => {
  test('has its evidence refused, and not called empty, where a control file is there and cannot be read', async () => {
    const answering = (code: number, stderr = ''): MemberHost =>
      ({ where: 'dc-a db-1', shell: async () => ({ code, stdout: '', stderr }) }) as unknown as MemberHost
    // As on Debian, where pg_controldata is in no PATH.
    await expect(refuseUnreadable(answering(127, 'sh: 1: pg_controldata: not found'))).rejects.toMatchObject({
      code: 'patroni-evidence-unreadable',
      message: expect.stringContaining('pg_controldata: not found'),
    })
    await expect(refuseUnreadable(answering(0))).resolves.toBeUndefined()
  })

  test('loses the data of no host while PostgreSQL runs on another one', async () => {
    const deleted: string[] = []
    const run = runOf(
      A,
      { followed: 'dc-b' },
      {
        keys: { config: { standby_cluster: standbyClusterOf(component, 'dc-a', 'dc-b') } },
        host(machine, command) {
          if (command.includes('-delete')) deleted.push(machine)
          if (command.includes('postmaster.pid')) return { code: 0, stdout: machine === 'db-2' ? 'runs' : 'stopped' }
          return { code: 0, stdout: 'inactive' }
        },
      },
    )
    const { behaviour } = wipe
    if (behaviour.is !== 'plain') throw new Error('a wipe is plain')
    await expect(behaviour.apply(run)).rejects.toMatchObject({ code: 'patroni-not-stopped' })
    expect(deleted).toEqual([])
  })

  test('is promoted also where PostgreSQL left out a number of a timeline that its archive knew', async () => {
    const primary = {
      role: 'primary',
      state: 'running',
      timeline: 6,
      xlog: { location: 84_050_900 },
      database_system_identifier: '1',
      patroni: { name: 'pg-b1', scope: 'app', version: '4.1.4' },
    }
    const run = runOf(
      B,
      { follows: 'dc-a', fenced: 'database.fence@dc-a', lastSeenAt: null },
      {
        // Patroni writes the lines of the file: the last one is not of timeline 5.
        keys: { config: { ttl: 30 }, leader: 'pg-b1', history: [[4, 84_050_464, 'no recovery target specified']] },
        member: (url) => (url.includes('10.2.0.11') ? primary : { state: 'stopped' }),
        host: (_machine, command) =>
          command.includes('00000006.history') ? { code: 0, stdout: '4\t0/5028220\tno recovery target' } : { code: 1 },
      },
    )
    expect(await promoteLost.behaviour.done(run as never)).toMatchObject({
      is: 'done',
      proof: { timeline: 6, forkedFrom: 4, forkedAt: '0/5028220' },
    })
  })

  test('is woken within seconds, however slowly its REST API answers with what was before', async () => {
    const member = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      return { ttl: 20 }
    }
    const begun = performance.now()
    await wake(runOf(B, {}, { keys: { config: { ttl: 30 }, leader: 'pg-b1' }, member }), B, { ttl: 30 })
    expect(performance.now() - begun).toBeLessThan(10_000)
  })
})
