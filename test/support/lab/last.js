import Sequencer from '@jest/test-sequencer'

/** Tests of the lab come last: what fails without it is known early, and what measures time has the machine to itself. */
// biome-ignore lint/style/noDefaultExport: Jest takes a sequencer from the default export
export default class LabLast extends Sequencer {
  sort(tests) {
    const inTheLab = (test) => Number(test.context.config.displayName?.name === 'lab')
    return super.sort(tests).toSorted((one, other) => inTheLab(one) - inTheLab(other))
  }
}
