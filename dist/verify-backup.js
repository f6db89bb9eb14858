import { nodeIsTooOld } from './node-version.js'

if (!nodeIsTooOld()) {
  const { runAction } = await import('./standby.js')
  await runAction('verify-backup')
}
