import { beforeAll, expect } from '@jest/globals'
import { bringLabUp, labThatIsUp } from './command.js'

/** Tests in a folder `machines` share a lab of machines, all others one of Kubernetes. */
const wanted = expect.getState().testPath.includes('/machines/') ? 'machines' : 'kubernetes'

/**
 * Up with the first test of the lab, not with the first of all: two clusters are no neighbours for a test that measures
 * time.
 */
beforeAll(async () => {
  if (labThatIsUp() !== wanted) await bringLabUp(wanted)
}, 15 * 60_000)
