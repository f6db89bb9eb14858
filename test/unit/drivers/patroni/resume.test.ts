import { onEtcd } from '../../../support/patroni-on-etcd.ts'
import { testResume } from './resume-on-store.ts'

testResume(onEtcd)
