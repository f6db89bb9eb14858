import { drivers, witnesses } from '../../../src/drivers/registry.ts'
import { guardService } from '../../../src/guard/names.ts'
import { loadStack } from '../../../src/stack/load-stack.ts'
import { onMachine } from '../../machines/machine.ts'
import type { PreparedStack } from '../../prepared-stack.ts'
import { machineNames } from '../../topology.ts'

/**
 * Makes a move that the witness does not know of, and that ends where it began. The guards are stopped meanwhile,
 * because they would shut a site that is opened while the witness names another one. A stack without guards is left as
 * it is.
 */
export async function withoutGuards<T>({ path }: PreparedStack, move: () => Promise<T>): Promise<T> {
  const { name } = await loadStack(path, { drivers, witnesses })
  const unit = guardService(name)
  const every = (verb: 'stop' | 'start'): Promise<unknown> =>
    Promise.all(
      machineNames.map((machine) =>
        onMachine(machine, `if systemctl cat ${unit} >/dev/null 2>&1; then sudo systemctl ${verb} ${unit}; fi`),
      ),
    )
  await every('stop')
  return move().finally(() => every('start'))
}
