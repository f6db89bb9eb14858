import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { conditionalStores } from '../src/drivers/registry.ts'
import type { ConditionalStore } from '../src/execution/conditional-store.ts'
import { readActive, replaceActive } from '../src/execution/witness.ts'
import type { JsonObject } from '../src/json.ts'
import type { LabStack } from './stacks.ts'

/** The stack's witness, with the rights of whoever moves. */
export async function openWitness(stack: Pick<LabStack, 'path' | 'environmentOf'>): Promise<ConditionalStore> {
  const env = await stack.environmentOf('mover')
  const { driver, ...spec } = (parse(await readFile(stack.path, 'utf8')) as { witness: JsonObject & { driver: string } }).witness
  const store = await conditionalStores[driver]?.(spec as JsonObject, {
    signal: new AbortController().signal,
    credential: async (reference) => ('env' in reference ? (env[reference.env] ?? '') : ''),
  })
  if (store === undefined) throw new Error(`there is no witness of the kind ${driver}`)
  return store
}

/** After a move that Standby did not make, the witness is told which site is active: what an operator would otherwise do by hand. */
export async function tellWitness(stack: LabStack, activeSite: string): Promise<void> {
  const store = await openWitness(stack)
  const active = await readActive(store)
  if (active === null) throw new Error('the witness knows no active site')
  await replaceActive(
    store,
    { ...active.record, activeSite, epoch: active.record.epoch + 1, since: new Date().toISOString(), run: 'bench' },
    active,
  )
}
