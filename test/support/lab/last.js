import Sequencer from '@jest/test-sequencer'

/**
 * Tests of the lab come last: what fails without it is known early, and what measures time has the machine to itself.
 * The lab of three sites is the last of them: it is another lab, and the one of two need not come up again after it.
 */
// biome-ignore lint/style/noDefaultExport: Jest takes a sequencer from the default export
export default class LabLast extends Sequencer {
  sort(tests) {
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other))
  }
}

function rank(test) {
  if (test.context.config.displayName?.name !== 'lab') return 0
  return test.path.endsWith('/three-sites.test.ts') ? 2 : 1
}
