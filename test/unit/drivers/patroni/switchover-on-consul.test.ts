import { onConsul } from '../../../support/patroni-on-consul.ts'
import { testSwitchover } from './switchover-on-store.ts'

testSwitchover(onConsul)
