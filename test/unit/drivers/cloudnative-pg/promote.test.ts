import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { InstanceStatus } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { cloudNativePg } from '../../../support/flat/drivers.ts'
import { cluster, primary, states } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const database = theDatabase()
const stack = databaseStack(database)
/** As the operator writes it: the old primary stopped on timeline 3. */
const TOKEN = Buffer.from(
  JSON.stringify({
    latestCheckpointTimelineID: '3',
    latestCheckpointREDOLocation: '0/9000028',
    databaseSystemIdentifier: '77',
  }),
).toString('base64')

/** What the promotion sees of a cluster that has taken the token, and whose instance says this. */
async function seen(instance: Partial<InstanceStatus>) {
  const step = cloudNativePg.move?.(database, states(), intent, stack).find(({ action }) => action === 'promote')
  if (step === undefined) throw new Error('no promotion')
  const replica = { self: 'pg-dc-b', primary: 'pg-dc-b', source: 'pg-dc-a', promotionToken: TOKEN }
  const live = cluster('pg-dc-b', { replica }, { lastPromotionToken: TOKEN })
  const kubernetes: Partial<KubernetesClient> = {
    site: 'dc-b',
    get: async () => live as never,
    proxyGet: async () => ({ status: 200, body: JSON.stringify({ ...primary, ...instance }) }),
  }
  const run = {
    step,
    component: database,
    intent,
    context: { stack, kubernetes: () => kubernetes },
    signal: AbortSignal.timeout(1_000),
    begunAt: '2026-11-21T06:00:10Z',
    applied: true,
    proofOf: () => ({ token: TOKEN }),
  } as unknown as FlatRun<CloudNativePgSpec>
  return cloudNativePg.behaviours.promote?.done(run)
}

describe('a promotion with a token', () => {
  test('is done by a primary on a later timeline than the one that the old primary stopped on', async () => {
    expect(await seen({ timeLineID: 4 })).toMatchObject({ is: 'done', proof: { timeline: 4, writable: true } })
  })

  test.each([2, 3])(
    'is not done by a primary on timeline %i: it has not left the recovery of before',
    async (timeLineID) => {
      expect(await seen({ timeLineID })).toMatchObject({ is: 'pending' })
    },
  )

  test('is not done by an instance on a later timeline that is no primary', async () => {
    expect(await seen({ timeLineID: 4, isPrimary: false })).toMatchObject({ is: 'pending' })
  })
})
