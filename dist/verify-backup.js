import { runAction } from './standby.js'

await runAction('verify-backup')
