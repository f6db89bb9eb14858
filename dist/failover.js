import { runAction } from './standby.js'

await runAction('failover')
