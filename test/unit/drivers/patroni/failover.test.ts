import { onEtcd } from '../../../support/patroni-on-etcd.ts'
import { testFailover } from './failover-on-store.ts'

testFailover(onEtcd)
