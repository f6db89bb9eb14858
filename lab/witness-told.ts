import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { conditionalStores } from '../src/drivers/registry.ts'
import { readActive, replaceActive } from '../src/execution/witness.ts'
import type { JsonObject } from '../src/json.ts'
import type { LabStack } from './stacks.ts'

/** After a move that Standby did not make, the witness is told which site is active: what an operator would otherwise do by hand. */
export async function tellWitness(stack: LabStack, activeSite: string): Promise<void> {
  const env = await stack.environmentOf('mover')
  const { driver, ...spec } = (parse(await readFile(stack.path, 'utf8')) as { witness: JsonObject & { driver: string } }).witness
  const store = await conditionalStores[driver]?.(spec as JsonObject, {
    signal: AbortSignal.timeout(10_000),
    credential: async (reference) => ('env' in reference ? (env[reference.env] ?? '') : ''),
  })
  const active = store === undefined ? null : await readActive(store)
  if (store === undefined || active === null) throw new Error('the witness knows no active site')
  await replaceActive(
    store,
    { ...active.record, activeSite, epoch: active.record.epoch + 1, since: new Date().toISOString(), run: 'bench' },
    active,
  )
}
