import { TestEnvironment } from 'jest-environment-node'

/**
 * Skips the tests of a file whose servers this machine lacks (`needs.ts`), with the reason in their names. Their hooks
 * do not run either.
 */
// biome-ignore lint/style/noDefaultExport: Jest takes an environment from the default export
export default class SkipWithoutServers extends TestEnvironment {
  async setup() {
    await super.setup()
    this.global.missingServers = new Set()
  }

  async handleTestEvent(event, state) {
    const missing = this.global.missingServers
    if (event.name === 'run_start' && missing.size > 0) skip(state.rootDescribeBlock, [...missing].join(', '))
  }
}

function skip(block, missing) {
  block.mode = 'skip'
  for (const child of block.children) {
    if (child.type === 'describeBlock') skip(child, missing)
    else Object.assign(child, { mode: 'skip', name: `${child.name} (skipped: this machine has no ${missing})` })
  }
}
