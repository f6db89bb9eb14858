import { runAction } from './standby.js'

await runAction('status')
