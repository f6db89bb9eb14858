import { onConsul } from '../../../support/patroni-on-consul.ts'
import { testFailover } from './failover-on-store.ts'

testFailover(onConsul)
