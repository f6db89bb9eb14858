#!/usr/bin/env node
import { nodeIsTooOld } from './node-version.js'

if (!nodeIsTooOld()) {
  const { runCli } = await import('./standby.js')
  await runCli()
}
