import { setTimeout as sleep } from 'node:timers/promises'
import { deploymentReference } from '../../src/drivers/guard/deploy.ts'
import { drivers, witnesses } from '../../src/drivers/registry.ts'
import { loadStack } from '../../src/stack/load-stack.ts'
import { guardHasJudged } from '../guard-has-judged.ts'
import { presentSites } from '../present.ts'
import type { LabStack } from '../stacks.ts'
import { tellWitness } from '../witness.ts'

/**
 * Makes a move that Standby does not know of. The guards are away meanwhile: they would shut a site that is opened
 * while the witness names another one, which is what the yardsticks do. Afterwards the witness names the new site, and
 * the guards are back.
 */
export async function withoutGuards<T>(stack: LabStack, activeAfterwards: string, move: () => Promise<T>): Promise<T> {
  await setGuards(stack, 0)
  try {
    return await move()
  } finally {
    await tellWitness(stack, activeAfterwards)
    const since = Date.now()
    await setGuards(stack, 1)
    // First they stop what did not take part in the move, such as the dumps of a cache. Until then no move goes to
    // their site.
    for (const site of presentSites())
      await guardHasJudged(stack, site, since, { deadline: 60_000, holdsNothing: true })
  }
}

async function setGuards(stack: LabStack, replicas: number): Promise<void> {
  const { name } = await loadStack(stack.path, { drivers, witnesses })
  const guard = deploymentReference(name)
  const deadline = AbortSignal.timeout(60_000)
  for (const kubernetes of Object.values(stack.admin)) {
    await kubernetes.patch(guard, { spec: { replicas } }, { subresource: 'scale' })
    for (;;) {
      const { replicas: there = 0 } = ((await kubernetes.get(guard))?.status ?? {}) as { readonly replicas?: number }
      if (there === replicas) break
      await sleep(200, undefined, { signal: deadline })
    }
  }
}
