import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { type ApiServer, startApiServer } from '../support/api-server.ts'
import { type Fault, type FaultyProxy, startFaultyProxy } from '../support/faulty-proxy.ts'
import { type ObjectStoreServer, startObjectStore } from '../support/object-store.ts'
import { runCli } from '../support/run-cli.ts'
import { type SmallStack, smallStackOn } from '../support/small-stack.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

jest.setTimeout(60_000)

/** A real S3 server, with a proxy between it and the witness's client that damages what passes. */
let api: ApiServer
let store: ObjectStoreServer
let witness: FaultyProxy
let stack: SmallStack

beforeAll(async () => {
  ;[api, store] = await Promise.all([startApiServer(), startObjectStore()])
  witness = await startFaultyProxy(store.endpoint)
  stack = await smallStackOn(api, store, { witness: witness.endpoint })
  expect(await standby('deploy')).toMatchObject({ exitCode: 0 })
}, 60_000)
afterAll(async () => {
  await witness?.close()
  await Promise.all([api?.stop(), store?.stop()])
})
beforeEach(() => {
  witness.faultFor = () => 'pass'
})

interface Ended {
  readonly exitCode: number | null
  readonly verdict: string
  readonly code: string | undefined
}

async function standby(...args: readonly string[]): Promise<Ended & { readonly json: Record<string, unknown> }> {
  const { exitCode, stdout } = await runCli(['--stack', stack.path, '--json', ...args], { env: stack.env })
  const json = (stdout === '' ? {} : JSON.parse(stdout)) as Record<string, unknown>
  return {
    exitCode,
    verdict: String(json.verdict),
    code: (json.failure as { readonly code: string } | null)?.code,
    json,
  }
}

/** Which site the witness names, and in which epoch. */
async function turn(): Promise<{ readonly site: unknown; readonly epoch: number }> {
  const { json } = await standby('status')
  return { site: json.activeSite, epoch: Number(json.epoch) }
}

/** A plan to the other site, and what executes it. */
async function planned(): Promise<() => ReturnType<typeof standby>> {
  const plan = join(temporaryFolder(), 'plan.json')
  const to = (await turn()).site === 'dc-a' ? 'dc-b' : 'dc-a'
  const { json } = await standby('failover', 'plan', '--to', to, '--out', plan)
  return () =>
    standby('failover', 'execute', '--plan', plan, '--digest', String(json.digest), '--reason', 'the test moves')
}

/** One fault for each write of the witness's two objects, in turn; everything else passes. */
function onWrites(faults: readonly Fault[]): void {
  let writes = 0
  witness.faultFor = ({ method, path }) =>
    method === 'PUT' && /(lock|active)\.json/.test(path) ? (faults[writes++] ?? 'pass') : 'pass'
}

describe('a whole run ends as on a good day', () => {
  test.each<[string, () => void]>([
    ['that is slow', () => (witness.faultFor = () => 'delay')],
    [
      'that does everything, and whose answers to writes are lost',
      () => onWrites(['lose-answer', 'pass', 'lose-answer', 'busy-after', 'pass']),
    ],
    ['that takes no write at first', () => onWrites(['busy', 'lose-request', 'busy', 'lose-request', 'busy', 'busy'])],
    [
      'that is gone for some seconds as soon as the run has its lock',
      () => {
        let until = 0
        witness.faultFor = ({ method, path }) => {
          if (until === 0 && method === 'PUT' && path.includes('lock.json')) until = Date.now() + 6_000
          else if (Date.now() < until) return 'lose-request'
          return 'pass'
        }
      },
    ],
  ])('on a witness %s', async (_, disturb) => {
    const before = await turn()
    const execute = await planned()
    disturb()
    const ended = await execute()
    witness.faultFor = () => 'pass'
    expect({ ...ended, json: null }).toEqual({ exitCode: 0, verdict: 'moved', code: undefined, json: null })
    const after = await turn()
    expect(after.epoch).toBe(before.epoch + 1)
    expect(after.site).not.toBe(before.site)
  })
})

describe('a witness outage changes nothing', () => {
  test('by a run that finds no witness: it ends with a code', async () => {
    const before = await turn()
    const execute = await planned()
    witness.faultFor = () => 'lose-request'
    const ended = await execute()
    witness.faultFor = () => 'pass'
    expect(ended).toMatchObject({ exitCode: 3, verdict: 'refused', code: 'witness-silent' })
    expect(await turn()).toEqual(before)
  })

  test('by the second of two runs with one plan, however slow the witness is to both', async () => {
    const before = await turn()
    const execute = await planned()
    witness.faultFor = () => 'delay'
    const ended = await Promise.all([execute(), execute()])
    witness.faultFor = () => 'pass'
    expect(ended.map(({ verdict }) => verdict).sort()).toEqual(['moved', 'refused'])
    expect(ended.find(({ verdict }) => verdict === 'refused')).toMatchObject({
      exitCode: 3,
      code: expect.stringMatching(/^(lock-held|plan-burnt)$/),
    })
    expect((await turn()).epoch).toBe(before.epoch + 1)
  })
})
