import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../src/domain/plan.ts'
import type { Sandbox } from '../../../src/domain/restore-test.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import { contextOfStep } from '../../../src/execution/isolate-lost-site.ts'
import { toyStep } from '../../support/toy-stack.ts'

const [lost, next] = ['dc-a', 'dc-b'] as SiteName[] as [SiteName, SiteName]
const failover: Intent = { mode: 'failover', from: lost, to: next, acceptLoss: 1 }
const secret = { secret: { namespace: 'n', name: 's3', key: 'k' } }
const context = {
  kubernetes: () => 'client',
  kubeconfig: () => 'kubeconfig',
  credential: async () => 'value',
  sql: async () => [['row']],
  objectStore: () => ({
    location: {
      readCredentials: { accessKeyId: secret, secretAccessKey: secret },
      credentials: { accessKeyId: secret, secretAccessKey: secret },
    },
    open: async () => 'store',
  }),
} as unknown as DriverContext

describe('a step of a failover', () => {
  const { kubernetes, kubeconfig, credential, objectStore, sql } = contextOfStep(
    context,
    failover,
    toyStep('database.promote@dc-b', 'PROMOTE'),
  )
  const defect = expect.objectContaining({ code: 'lost-site-touched' })

  test('can not ask the lost site for anything, by whatever way', async () => {
    expect(() => kubernetes(lost)).toThrow(defect)
    expect(() => kubeconfig(lost)).toThrow(defect)
    await expect(credential(secret, lost)).rejects.toEqual(defect)
    await expect(credential({ secret: { ...secret.secret, site: lost } }, next)).rejects.toEqual(defect)
    await expect(objectStore('archive', lost).open()).rejects.toEqual(defect)
    await expect(sql('database', lost, 'SELECT 1')).rejects.toEqual(defect)
    await expect(sql('database', { site: lost } as Sandbox, 'SELECT 1')).rejects.toEqual(defect)
  })

  test('reaches everything else', async () => {
    expect(kubernetes(next)).toBe('client')
    await expect(sql('database', next, 'SELECT 1')).resolves.toEqual([['row']])
    await expect(credential({ env: 'KEY' }, lost)).resolves.toBe('value')
    await expect(objectStore('archive', next).open('write')).resolves.toBe('store')
  })
})

test('a fence of the lost site reaches it, and so do the steps of other modes', () => {
  expect(contextOfStep(context, failover, toyStep('database.fence@dc-a', 'FENCE')).kubernetes(lost)).toBe('client')
  const switchover: Intent = { mode: 'switchover', from: lost, to: next }
  expect(contextOfStep(context, switchover, toyStep('database.promote@dc-b', 'PROMOTE')).kubernetes(lost)).toBe(
    'client',
  )
})
