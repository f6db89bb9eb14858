import { runCli } from '../src/entry.ts'

/** The command line from the sources, without a build: `npm run standby -- status`. */
await runCli()
