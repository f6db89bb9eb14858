import { onConsul } from '../../../support/patroni-on-consul.ts'
import { testResume } from './resume-on-store.ts'

testResume(onConsul)
