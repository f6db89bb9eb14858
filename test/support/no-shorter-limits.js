import SkipWithoutServers from './skip-without-servers.js'

/**
 * Lets no test or hook set itself a limit below `testTimeout`: a limit ends what hangs, and a test that ended by it may
 * go on in the background and break the next one. What may take no longer is asserted, with the time that it took.
 */
// biome-ignore lint/style/noDefaultExport: Jest takes an environment from the default export
export default class NoShorterLimits extends SkipWithoutServers {
  constructor(config, context) {
    super(config, context)
    this.least = config.globalConfig.testTimeout
  }

  async handleTestEvent(event, state) {
    await super.handleTestEvent(event, state)
    const limited = { test_start: event.test, hook_start: event.hook }[event.name]
    if (limited !== undefined && (limited.timeout ?? state.testTimeout) < this.least) limited.timeout = this.least
  }
}
