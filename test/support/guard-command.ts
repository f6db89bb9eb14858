import { main } from '../../src/cli/main.ts'
import { helmRelease } from '../../src/drivers/helm-release/driver.ts'
import { stopStep } from '../../src/drivers/helm-release/scale.ts'
import { drivers } from '../../src/drivers/registry.ts'
import type { Driver } from '../../src/planning/driver.ts'

/** The command line from its sources; the application gets a fence where its driver brings none: the step that a switchover stops it with. */
const driver = drivers['helm-release'] as { fence?: Driver['fence'] }
driver.fence ??= (component, _states, intent) => [stopStep(component as never, intent, 1)]
if (helmRelease.behaviours.stop === undefined) throw new Error('helm-release has no behaviour stop')
await main(process.argv.slice(2))
