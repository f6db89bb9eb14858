import { main } from '../../src/cli/main.ts'

/** The command line from its sources. */
await main(process.argv.slice(2))
