import { describe, expect, test } from '@jest/globals'
import { enroll } from '../../../../src/drivers/patroni/rejoin/enroll.ts'
import { wipe } from '../../../../src/drivers/patroni/rejoin/wipe.ts'
import {
  credentialUses,
  type Database,
  keysBelow,
  patroniProblems,
  type StoreSpec,
} from '../../../../src/drivers/patroni/spec.ts'
import { patroniFixture } from '../../../conformance/fixtures/patroni.ts'

const fixture = patroniFixture.component as unknown as Database
const withStore = (store: Partial<StoreSpec>): Database => ({
  ...fixture,
  spec: { ...fixture.spec, store: { ...fixture.spec.store, ...store } },
})
const problemsOf = (store: Partial<StoreSpec>) =>
  patroniProblems(withStore(store), patroniFixture.stack, () => null).filter(({ path }) => path[0] === 'store')

describe('the declared store of Patroni', () => {
  test('takes the login of its kind, and no other one', () => {
    const token = { token: { env: 'CONSUL_TOKEN' } }
    const user = { user: { env: 'ETCD_USER' }, password: { env: 'ETCD_PASSWORD' } }
    expect(problemsOf({ kind: 'consul', ...token })).toEqual([])
    expect(problemsOf({ kind: 'etcd', ...user })).toEqual([])
    expect(problemsOf({ kind: 'etcd', ...token })).toEqual([
      { path: ['store', 'token'], what: 'is no login of etcd, which takes user and password' },
    ])
    expect(problemsOf({ kind: 'consul', ...user }).map(({ path }) => path.join('.'))).toEqual([
      'store.user',
      'store.password',
    ])
  })

  test('is another one on each site: two Patroni clusters with the same keys would be one', () => {
    const endpoints = { 'dc-a': ['http://10.1.0.13:8500'], 'dc-b': ['http://10.2.0.13:8500', 'http://10.1.0.13:8500'] }
    expect(problemsOf({ kind: 'consul', endpoints })).toEqual([
      { path: ['store', 'endpoints', 'dc-b', '1'], what: 'is a server of dc-a too' },
    ])
  })

  test('has its keys where Patroni has them: in Consul without the first slash', () => {
    expect(keysBelow(withStore({ kind: 'etcd' }))).toBe('/service/app/')
    for (const namespace of ['/service/', 'service', '/service'])
      expect(keysBelow(withStore({ kind: 'consul', namespace }))).toBe('service/app/')
  })

  test('names its token among the credentials of all who look at the stack', () => {
    const token = { env: 'CONSUL_TOKEN' }
    const uses = credentialUses(withStore({ kind: 'consul', token })).filter(({ reference }) => reference === token)
    expect(uses.flatMap(({ identities }) => identities)).toEqual(expect.arrayContaining(['mover', 'observer']))
  })

  test.each([
    ['etcd', 'etcdctl get /service/app/config', 'etcdctl del /service/app/initialize'],
    ['consul', 'consul kv get service/app/config', 'consul kv delete service/app/initialize'],
  ] as const)('of kind %s is written by hand with its own program', (kind, reads, forgets) => {
    const component = withStore({ kind })
    const say = (action: { readonly byHand?: unknown }) =>
      JSON.stringify(
        (action.byHand as { say(component: Database, step: object): unknown }).say(component, {
          site: 'dc-a',
          parameters: { followed: 'dc-b' },
        }),
      )
    expect(say(enroll)).toContain(reads)
    expect(say(wipe)).toContain(forgets)
  })
})
