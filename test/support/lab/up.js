import { beforeAll } from '@jest/globals'
import { labIsUp, runLab } from './command.js'

/**
 * Up with the first test of the lab, not with the first of all: two clusters are no neighbours for a test that measures
 * time.
 */
beforeAll(async () => {
  if (!labIsUp()) await runLab('up')
}, 15 * 60_000)
