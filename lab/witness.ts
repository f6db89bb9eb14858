import { openWitness } from '../src/composition/open-witness.ts'
import { drivers, witnesses } from '../src/drivers/registry.ts'
import { loadStack } from '../src/stack/load-stack.ts'
import { readActive, replaceActive } from '../src/witness/active.ts'
import type { ConditionalStore } from '../src/witness/conditional-store.ts'
import type { LabStack } from './stacks.ts'

/** The stack's witness, with the rights of the mover. */
export async function witnessOf(stack: Pick<LabStack, 'path' | 'environmentOf'>): Promise<ConditionalStore> {
  return openWitness(
    await loadStack(stack.path, { drivers, witnesses }),
    await stack.environmentOf('mover'),
    () => undefined,
  )
}

/**
 * Writes the active site into the witness after a move that Standby did not make, as an operator would do by hand.
 */
export async function tellWitness(stack: LabStack, activeSite: string): Promise<void> {
  const store = await witnessOf(stack)
  const active = await readActive(store)
  if (active === null) throw new Error('the witness knows no active site')
  await replaceActive(
    store,
    { ...active.record, activeSite, epoch: active.record.epoch + 1, since: new Date().toISOString(), run: 'bench' },
    active,
  )
}
