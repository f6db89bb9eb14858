import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { BySite } from '../../src/domain/observed.ts'
import type { Intent } from '../../src/domain/plan.ts'
import { componentOf, type SiteName } from '../../src/domain/stack.ts'
import type { CloudNativePgState } from '../../src/drivers/cloudnative-pg/observe.ts'
import type { Database } from '../../src/drivers/cloudnative-pg/spec.ts'
import { deploy } from '../../src/operations/deploy.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { eventually } from '../support/eventually.ts'
import type { Behaviour, FlatRun } from '../support/flat/behaviour.ts'
import type { FlatContext } from '../support/flat/context.ts'
import { cloudNativePg } from '../support/flat/drivers.ts'
import { type LabDatabase, prepareLabDatabase } from '../support/lab-database.ts'
import { performStep } from '../support/perform-step.ts'

const MINUTES = 60_000
const [dcA, dcB] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const intent: Intent = { mode: 'failover', from: dcA, to: dcB }
/** The host, as the sites see it. */
const HOST = '10.77.0.1'

let db: LabDatabase
let hole: Server
const held = new Set<Socket>()
beforeAll(async () => {
  db = await prepareLabDatabase({
    ...(process.env.LAB_VERBOSE === undefined ? {} : { tell: (line) => process.stderr.write(`${line}\n`) }),
  })
  // Takes every connection, and never says a word.
  hole = createServer((socket) => held.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => hole.listen(0, HOST, resolve))
}, MINUTES)
afterAll(async () => {
  for (const socket of held) socket.destroy()
  hole?.close()
  await db?.remove()
}, 2 * MINUTES)

/** The archive went down with the site: neither the runner nor the follower gets an answer from it. */
describe('a database that is lost with its archive', () => {
  test(
    'is replaced all the same: the promotion does not wait for the archive that is silent',
    async () => {
      expect((await deploy(db.world, { dryRun: false, only: [] })).failure).toBeNull()
      await db.sql(
        'dc-a',
        'CREATE TABLE users (id serial PRIMARY KEY); INSERT INTO users SELECT FROM generate_series(1, 50);',
      )
      await eventually(
        'the rows on dc-b',
        async () => (await db.sql('dc-b', 'SELECT count(*) FROM users').catch(() => '')) === '50',
      )
      const component = componentOf(db.world.stack, 'database') as unknown as Database
      const endpoint = `http://${HOST}:${(hole.address() as AddressInfo).port}`
      const stores = { apiVersion: 'barmancloud.cnpg.io/v1', kind: 'ObjectStore', plural: 'objectstores' }
      await db
        .admin('dc-b')
        .patch(
          { ...stores, namespace: db.namespace, name: 'database-archive-dc-a' },
          { spec: { configuration: { endpointURL: endpoint } } },
        )
      const context = withoutArchiveOf(dcA, db.world.context, endpoint)

      const seen = await cloudNativePg.observe(component, dcB, context)
      if (seen.kind !== 'answering') throw new Error(`a silent archive made the follower look dead: ${seen.why}`)
      expect(seen.state.upstream?.silent).toBeTruthy()
      const states: BySite<CloudNativePgState> = { 'dc-a': { kind: 'silent', why: 'no answer' }, 'dc-b': seen }
      const steps = cloudNativePg.move?.(component, states, intent, db.world.stack) ?? []
      expect(steps.map(({ action }) => action)).not.toContain('close-archive')

      const proofs = new Map<string, JsonObject>()
      for (const action of ['drain-archive', 'promote-without-token', 'restart']) {
        const step = steps.find((one) => one.action === action)
        if (step === undefined) throw new Error(`no ${action}`)
        const signal = AbortSignal.timeout(6 * MINUTES)
        const begunAt = new Date().toISOString()
        const run = {
          step,
          component,
          intent,
          context: { ...context, signal },
          signal,
          begunAt,
          applied: false,
          proofOf: (id: string) => proofs.get(id) ?? null,
        }
        const begun = Date.now()
        const { proof } = await performStep(
          cloudNativePg.behaviours[action] as unknown as Behaviour,
          run as unknown as FlatRun,
          5 * MINUTES,
        )
        proofs.set(step.id, proof)
        db.world.log.info(`${action} took ${Date.now() - begun} ms: ${JSON.stringify(proof)}`)
      }
      expect(proofs.get('database.drain-archive@dc-b')).toMatchObject({ archive: 'silent' })
      expect(proofs.get('database.promote-without-token@dc-b')).toMatchObject({ writable: true, timeline: 2 })
      expect(await db.sql('dc-b', 'INSERT INTO users DEFAULT VALUES RETURNING id > 50')).toBe('t')
    },
    12 * MINUTES,
  )
})

function withoutArchiveOf(site: SiteName, context: FlatContext, endpoint: string): FlatContext {
  return {
    ...context,
    objectStore(component, at) {
      const real = context.objectStore(component, at)
      if (at !== site) return real
      const silent = async (): Promise<never> => {
        await fetch(endpoint, { signal: AbortSignal.timeout(5_000) })
        throw new Error('it answered')
      }
      const open: typeof real.open = async (access) => {
        const store = await real.open(access)
        return { ...store, list: silent, get: silent, put: silent }
      }
      return { ...real, open }
    },
  }
}
