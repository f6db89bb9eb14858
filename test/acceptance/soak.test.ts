import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { journalOf, watchPeakMemory } from '../../lab/soak/costs.ts'
import { judgeSoak, type SoakMove, soakMove } from '../../lab/soak/judge-soak.ts'
import { witnessOf } from '../../lab/witness.ts'
import type { MoveReport } from '../../src/evidence/reports.ts'
import { type ApiServer, startApiServer } from '../support/api-server.ts'
import { type ObjectStoreServer, startObjectStore } from '../support/object-store.ts'
import { runCli } from '../support/run-cli.ts'
import { type SmallStack, smallStackOn } from '../support/small-stack.ts'

jest.setTimeout(180_000)

const MOVES = 20
let api: ApiServer
let store: ObjectStoreServer
let stack: SmallStack

beforeAll(async () => {
  ;[api, store] = await Promise.all([startApiServer(), startObjectStore()])
  stack = await smallStackOn(api, store)
}, 60_000)
afterAll(async () => {
  await Promise.all([api?.stop(), store?.stop()])
})

test(`${MOVES} moves in a row: each ends, the epoch counts them, and neither memory nor journal grow`, async () => {
  const standby = (...args: readonly string[]) => runCli(['--stack', stack.path, '--json', ...args], { env: stack.env })
  expect(await standby('deploy')).toMatchObject({ exitCode: 0 })
  const witness = await witnessOf({ path: stack.path, environmentOf: async () => stack.env })
  const plan = join(stack.folder, 'plan.json')
  const moves: SoakMove[] = []
  for (let index = 0; index < MOVES; index++) {
    const planned = await standby('failover', 'plan', '--to', index % 2 === 0 ? 'dc-b' : 'dc-a', '--out', plan)
    const { digest } = JSON.parse(planned.stdout) as { readonly digest: string }
    let peakOf = (): number => 0
    const args = ['failover', 'execute', '--plan', plan, '--digest', digest, '--reason', 'a soak']
    const executed = await runCli(['--stack', stack.path, '--json', ...args], {
      env: stack.env,
      meanwhile: async ({ pid }) => {
        if (pid !== undefined) peakOf = watchPeakMemory(pid)
      },
    })
    const report = JSON.parse(executed.stdout) as MoveReport
    expect(report.epoch).toEqual({ before: index + 1, after: index + 2 })
    moves.push(soakMove('switchover', report, peakOf(), await journalOf(witness, report.run)))
  }
  expect(Math.min(...moves.map((move) => move.peakMemoryBytes))).toBeGreaterThan(30e6)
  expect(Math.min(...moves.map((move) => move.journalEntries))).toBeGreaterThan(3)
  // Other tests come and go beside this one: how long a move takes is compared by the soak on a lab, and not here.
  expect(judgeSoak(moves.map((move) => ({ ...move, durationMs: 0 })))).toEqual([])
})
