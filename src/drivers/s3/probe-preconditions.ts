import { randomUUID } from 'node:crypto'
import type { ObjectStoreClient, PutCondition, StoreCallOptions } from '../../clients/object-store-client.ts'
import { asStandbyError, siteError } from '../../errors.ts'
import { refused } from './refused.ts'

const KEY = 'probe.json'
const ROUNDS = 5
const RACERS = 4
/** Long enough that a store which checks first and stores later has time to be overtaken in between. */
const BODY_BYTES = 65_536
/** The ETag of no object that we write: the MD5 of other bytes. */
const NO_VERSION = '"00000000000000000000000000000000"'

/**
 * Tries whether the store can be a witness: it must refuse a write whose precondition does not hold, and of several writers
 * that replace one version at the same moment it must let in one.
 *
 * Stores fail the second without failing the first: they check, then store, and are overtaken in between
 * (versitygw before 1.8.0, https://github.com/versity/versitygw/pull/2288; RustFS behind several endpoints,
 * https://github.com/rustfs/rustfs/issues/1659). One probe finds such a store by chance only, in about every second process against
 * versitygw 1.7.0; it never refuses a sound one. Error: `witness-weak`.
 */
export async function probePreconditions(store: ObjectStoreClient, options: StoreCallOptions): Promise<void> {
  const write = (body: string, condition: PutCondition): Promise<string> => store.put(KEY, body, { ...options, condition })
  if ((await store.head(KEY, options)) === null) await successesOf([write('{}', { ifAbsent: true })])

  for (const condition of [{ ifAbsent: true }, { ifVersion: NO_VERSION }] as const)
    if (!(await refused(() => write('{}', condition)))) throw weak(`ignores ${headerOf(condition)}`)

  for (let round = 1; round <= ROUNDS; round++) {
    const found = await store.head(KEY, options)
    if (found === null) throw weak(`lost ${KEY}, which was just written`)
    const racers = Array.from({ length: RACERS }, () =>
      write(JSON.stringify({ racer: randomUUID() }).padEnd(BODY_BYTES), { ifVersion: found.version }),
    )
    const winners = await successesOf(racers)
    if (winners > 1) throw weak(`let ${winners} of ${RACERS} writers replace one and the same version`)
  }
}

/** How many of the writes succeeded. That another process won them all is fine; any other failure is thrown. */
async function successesOf(writes: readonly Promise<string>[]): Promise<number> {
  const ended = await Promise.allSettled(writes)
  for (const end of ended)
    if (end.status === 'rejected' && asStandbyError(end.reason).code !== 'object-store-precondition') throw end.reason
  return ended.filter(({ status }) => status === 'fulfilled').length
}

const headerOf = (condition: PutCondition): string => ('ifAbsent' in condition ? 'If-None-Match' : 'If-Match')

const weak = (what: string): Error =>
  siteError('witness-weak', `the witness ${what}: two runs could both take the lock`, {
    where: 'witness',
    next: 'Use an S3 service whose conditional writes (If-None-Match, If-Match) are atomic; docs/witness.md names some that are not.',
  })
