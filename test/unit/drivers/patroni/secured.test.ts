import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { askOverHttp } from '../../../../src/clients/http-question.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { switchoverSteps } from '../../../../src/drivers/patroni/move/switchover.ts'
import { type Database, patroniProblems } from '../../../../src/drivers/patroni/spec.ts'
import { readCertified } from '../../../support/authority.ts'
import { type PatroniWorld, startPatroni } from '../../../support/patroni.ts'
import { type PatroniStack, patroniStack } from '../../../support/patroni-move.ts'
import { onEtcd } from '../../../support/patroni-on-etcd.ts'

const [A, B] = ['dc-a', 'dc-b'] as [SiteName, SiteName]
const TO_B: Intent = { mode: 'switchover', from: A, to: B }

let world: PatroniWorld
let stack: PatroniStack
beforeAll(async () => {
  world = await startPatroni(onEtcd, { 'dc-a': ['pg-a1'], 'dc-b': ['pg-b1'] }, {}, { tls: true })
  stack = patroniStack(world)
}, 300_000)
afterAll(() => world?.stop(), 60_000)

describe('Patroni and its store with TLS, both of which demand the certificate of a client', () => {
  test('refuse a client that knows the authority and has no certificate, so that these tests prove something', async () => {
    if (world.certified === null) throw new Error('no TLS')
    const { authority } = readCertified(world.certified)
    const site = world.site(A)
    for (const url of [`${site.store.url}/health`, `https://127.0.0.1:${site.nodes[0]?.restPort}/patroni`])
      await expect(askOverHttp({ method: 'GET', url, deadline: 5_000, authority })).rejects.toMatchObject({
        code: 'http-silent',
      })
  })

  test('are seen whole, and carry out a switchover', async () => {
    expect(await stack.observe()).toMatchObject({ [A]: { role: 'active' }, [B]: { role: 'passive' } })
    for (const step of switchoverSteps(stack.component, await stack.observe(), TO_B)) await stack.perform(step, TO_B)
    expect(await stack.observe()).toMatchObject({ [A]: { role: 'passive' }, [B]: { role: 'active' } })
  }, 120_000)

  test('are refused in the stack file where a certificate has no key', () => {
    const { store, ...spec } = stack.component.spec
    const { key: _key, ...without } = store
    const component: Database = { ...stack.component, spec: { ...spec, store: without } }
    expect(patroniProblems(component, stack.stack, () => null).filter(({ path }) => path[0] === 'store')).toEqual([
      { path: ['store', 'certificate'], what: 'needs `key` beside it: a client proves itself by both' },
    ])
  })
})
