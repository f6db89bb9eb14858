import { onEtcd } from '../../../support/patroni-on-etcd.ts'
import { testSwitchover } from './switchover-on-store.ts'

testSwitchover(onEtcd)
