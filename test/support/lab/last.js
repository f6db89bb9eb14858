import Sequencer from '@jest/test-sequencer'

/**
 * The longest file comes first: it keeps one worker busy while the others do the rest. Tests of the lab come last: what
 * fails without it is known early, and what measures time has the machine to itself. The lab of three sites and the lab
 * of machines are the last of them: each is another lab, and the one of two sites need not come up again after it.
 */
// biome-ignore lint/style/noDefaultExport: Jest takes a sequencer from the default export
export default class LabLast extends Sequencer {
  sort(tests) {
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other))
  }
}

function rank(test) {
  const project = test.context.config.displayName?.name
  if (project === 'conformance') return -1
  if (project !== 'lab') return 0
  if (test.path.includes('/machines/')) return 3
  return test.path.endsWith('/three-sites.test.ts') ? 2 : 1
}
