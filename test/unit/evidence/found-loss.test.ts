import { describe, expect, test } from '@jest/globals'
import type { Intent, Loss } from '../../../src/domain/plan.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { readEarlierMove } from '../../../src/evidence/earlier-move.ts'
import type { EvidenceBody } from '../../../src/evidence/evidence-body.ts'
import { followedMove } from '../../../src/evidence/followed-move.ts'
import { keepEvidence, newestBodies } from '../../../src/evidence/keep-evidence.ts'
import { type FollowedMove, type FoundLoss, foundLoss } from '../../../src/evidence/kept-loss.ts'
import type { MoveReport } from '../../../src/evidence/reports.ts'
import type { StepReport } from '../../../src/execution/step-report.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { MoveRequest } from '../../../src/planning/resolve-intent.ts'
import { evidenceText } from '../../../src/reporting/evidence-text.ts'
import { htmlRun } from '../../../src/reporting/html-run.ts'
import { moveFacts } from '../../../src/reporting/move-facts.ts'
import { moveSummary } from '../../../src/reporting/move-summary.ts'
import { foundRows } from '../../../src/reporting/move-words.ts'
import { moveText } from '../../../src/reporting/terminal.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { schemaErrors } from '../../support/published-schemas.ts'
import { deployedToy, toyApproval, toyClock, toyDriver, toyWorld } from '../../support/toy-stack.ts'

/** What `keep-evidence` of a database says of its former primary. */
const FOUND = {
  bytes: [160, 160],
  rows: [9, 9],
  commits: [3, 3],
  tables: [
    { table: 'secrets', inserted: 0, updated: 1, deleted: 0 },
    { table: 'users', inserted: 6, updated: 0, deleted: 2 },
  ],
  firstCommitAt: '2026-11-21T05:59:51.200000Z',
  lastCommitAt: '2026-11-21T05:59:58.900000Z',
  why: 'counted in its WAL; kept in evidence/pg-dc-a-g1/',
}
/** What the failover counted: the end of a silent primary is unknown. */
const COUNTED = {
  bytes: [0, null],
  seconds: [0, 40],
  lastCommitAt: '2026-11-21T05:59:50.000Z',
  why: 'the old primary is silent',
}

/** A toy whose failover counts, and whose rejoin finds. */
function countingDriver(own: FlatDriver, found: object | null): FlatDriver {
  const proven = (action: string, more: object): FlatDriver['behaviours'] => {
    const behaviour = own.behaviours[action]
    if (behaviour === undefined) throw new Error(`the toy does not ${action}`)
    return {
      [action]: {
        ...behaviour,
        done: async (run) => {
          const progress = await behaviour.done(run)
          return progress.is === 'done' ? { ...progress, proof: { ...progress.proof, ...more } } : progress
        },
      },
    }
  }
  const told = { ...proven('promote', { loss: COUNTED }), ...(found === null ? {} : proven('follow', { found })) }
  return { ...own, behaviours: { ...own.behaviours, ...told } }
}

interface Around {
  readonly found?: object | null
  /** What became of the records in the witness between both moves. */
  readonly between?: (store: ConditionalStore) => Promise<ConditionalStore>
  readonly withoutFailover?: true
}

/** dc-a is lost, dc-b takes over, and dc-a rejoins. */
async function rejoined({ found = FOUND, between = async (store) => store, withoutFailover }: Around = {}) {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const driver = countingDriver(toyDriver(toy), found)
  const move = async (at: ConditionalStore, request: MoveRequest, silent: string[]): Promise<MoveReport> => {
    const world = toyWorld(toy, at, { clock, driver, silent })
    const { plan, digest } = await planFailover(world, request)
    return executeFailover(world, plan, toyApproval(digest))
  }
  const failover = withoutFailover
    ? null
    : await move(store, { mode: 'failover', to: 'dc-b' as SiteName, acceptLoss: 60_000 }, ['dc-a'])
  if (withoutFailover) {
    toy.writer = 'dc-b'
    const active = await store.get('active.json')
    await store.replace('active.json', { ...(active?.body as object), activeSite: 'dc-b' }, active?.version ?? '')
  }
  const rejoin = await move(await between(store), { mode: 'rejoin', to: 'dc-a' as SiteName }, [])
  const [record] = (await newestBodies(store, 100)).filter(({ run }) => run === rejoin.run)
  return { failover, rejoin, record, store, move }
}

describe('a rejoin that has found what only its site had', () => {
  test('says in record, report, summary, terminal and page what the failover predicted and counted, and what it was', async () => {
    const { failover, rejoin, record } = await rejoined()
    expect(rejoin).toMatchObject({ verdict: 'moved', loss: { predicted: { bytes: [0, 0] }, counted: null } })
    expect(rejoin.loss?.found).toMatchObject({
      bytes: [160, 160],
      rows: [9, 9],
      commits: [3, 3],
      // 7.7 s between its commits, 8.9 s since the last one that was saved.
      seconds: [7, 9],
      follows: {
        is: 'known',
        run: failover?.run,
        mode: 'failover',
        predicted: { bytes: [0, 4096], seconds: [0, 30], why: 'the archive is 30 s old' },
        counted: { bytes: [0, null], seconds: [0, 40] },
        saved: { database: '2026-11-21T05:59:50.000Z' },
      },
    })
    expect(rejoin.deviations).toEqual([])
    expect(record?.loss).toEqual(rejoin.loss)
    expect(schemaErrors('evidence.schema.json', record)).toEqual([])
    expect(schemaErrors('result.schema.json#/$defs/move', rejoin)).toEqual([])
    const body = record as EvidenceBody
    for (const text of [
      moveText(rejoin, { colour: false }),
      evidenceText('1.json', body),
      htmlRun([{ file: '1.json', body }]),
    ]) {
      expect(text).toContain(`failover ${failover?.run}`)
      expect(text).toContain('up to 30.0 s of writes (0 B to 4.1 kB): the archive is 30 s old')
      expect(text).toContain('up to 40.0 s of writes, an unknown number of bytes: the old primary is silent')
      expect(text).toContain('only on dc-a')
      expect(text).toContain(
        '9 rows in 3 commits (users: 6 inserted, 2 deleted; secrets: 1 updated), 7.0 s to 9.0 s of writes, 160 B of WAL',
      )
    }
    const rows = moveSummary(rejoin).split('\n')
    expect(rows.filter((row) => /^\| (follows|predicted then|counted then|only on dc-a|loss)/.test(row))).toEqual([
      '| loss predicted | nothing: dc-b stays active; what exists only on dc-a is kept as evidence |',
      `| follows | failover ${failover?.run} |`,
      '| predicted then | up to 30.0 s of writes (0 B to 4.1 kB): the archive is 30 s old |',
      '| counted then | up to 40.0 s of writes, an unknown number of bytes: the old primary is silent |',
      '| only on dc-a | 9 rows in 3 commits (users: 6 inserted, 2 deleted; secrets: 1 updated), 7.0 s to 9.0 s of writes, 160 B of WAL: counted in its WAL; kept in evidence/pg-dc-a-g1/ |',
    ])
  })

  test('calls it a deviation when the truth lies outside of what was predicted, or counted', async () => {
    const { failover, rejoin } = await rejoined({
      found: {
        ...FOUND,
        bytes: [8_000, 8_000],
        firstCommitAt: '2026-11-21T05:59:51Z',
        lastCommitAt: '2026-11-21T06:01:00Z',
      },
    })
    const of = `of failover ${failover?.run}`
    expect(rejoin.deviations).toEqual([
      { what: `loss in bytes ${of}, as it predicted it`, predicted: '0 B to 4.1 kB', was: '8.0 kB' },
      {
        what: `loss in seconds ${of}, as it predicted it`,
        predicted: '0 ms to 30.0 s',
        was: '1 min 9 s to 1 min 10 s',
      },
      { what: `loss in seconds ${of}, as it counted it`, predicted: '0 ms to 40.0 s', was: '1 min 9 s to 1 min 10 s' },
    ])
  })

  test('counts WAL without a commit as no loss, however much it is', async () => {
    const { rejoin } = await rejoined({
      found: { ...FOUND, bytes: [99_000, 99_000], rows: [0, 0], commits: [0, 0], tables: [] },
    })
    expect(rejoin.loss?.found).toMatchObject({ bytes: [99_000, 99_000], seconds: [0, 0] })
    expect(rejoin.deviations).toEqual([])
    expect(moveSummary(rejoin)).toContain(
      '| only on dc-a | nothing that was committed, 99.0 kB of WAL: counted in its WAL',
    )
  })

  test('one that had nothing to keep says nothing of it', async () => {
    const { rejoin, record } = await rejoined({ found: null })
    expect(rejoin.loss).not.toHaveProperty('found')
    expect(schemaErrors('evidence.schema.json', record)).toEqual([])
    expect(moveFacts(rejoin).map(([name]) => name)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/follows|then|only on|counted/)]),
    )
  })
})

describe('a failover of which nothing can be found or read holds up no rejoin', () => {
  const silent = async (): Promise<never> => {
    throw siteError('witness-unreachable', 'the witness does not answer', { retry: 'transient' })
  }
  /** The records alone are silent, or hang: the new one can be written. */
  const unread = (read: () => Promise<never>) => async (store: ConditionalStore) => ({
    ...store,
    getText: (key: string) => (key.endsWith('.json') ? read() : store.getText(key)),
  })

  test.each<[string, Around, RegExp]>([
    [
      'it left no record',
      { withoutFailover: true },
      /^none of the newest 100 records in the witness is of a move away from dc-a$/,
    ],
    [
      'the records are silent',
      { between: unread(silent) },
      /^the records in the witness could not be read: the witness does not answer$/,
    ],
    [
      'the records hang',
      { between: unread(() => new Promise<never>(() => undefined)) },
      /^the records in the witness could not be read: the witness did not answer within 3\.0 s$/,
    ],
    [
      'its record is bent',
      {
        between: async (store) => ({
          ...store,
          getText: async (key) => (await store.getText(key))?.replaceAll('"predicted"', '"foretold"') ?? null,
        }),
      },
      /^evidence\/\d+\.json in the witness is damaged: \$\.loss\.predicted is missing; what was recorded before it is unknown$/,
    ],
  ])('%s', async (_, around, why) => {
    const { rejoin } = await rejoined(around)
    expect(rejoin).toMatchObject({ verdict: 'moved', loss: { found: { rows: [9, 9], bytes: [160, 160] } } })
    expect(rejoin.loss?.found).toMatchObject({
      seconds: [7, null],
      follows: { is: 'unknown', why: expect.stringMatching(why) },
    })
    expect(rejoin.deviations).toEqual([])
    expect(schemaErrors('result.schema.json#/$defs/move', rejoin)).toEqual([])
    expect(moveText(rejoin, { colour: false })).toMatch(/follows +not known: /)
  })
})

describe('the move that a rejoin follows', () => {
  const of = { run: 'the-rejoin', site: 'dc-a' }
  const failover = async (): Promise<EvidenceBody> => {
    const { store, failover } = await rejoined()
    return (await newestBodies(store, 100)).find(({ run }) => run === failover?.run) as EvidenceBody
  }
  const intent = (mode: Intent['mode'], from: string, to: string): Intent => ({
    mode,
    from: from as SiteName,
    to: to as SiteName,
  })
  const like = (body: EvidenceBody, run: string, of: Intent, more: Partial<EvidenceBody> = {}): EvidenceBody => ({
    ...body,
    run,
    plan: { ...body.plan, intent: of },
    ...more,
  })

  test('is the newest one away from its site that promoted anything', async () => {
    const one = await failover()
    const away = intent('failover', 'dc-a', 'dc-b')
    const found = (...bodies: EvidenceBody[]) => followedMove(bodies, of)
    const older = like(one, 'older', away)
    expect(found(older, like(one, 'newer', away))).toMatchObject({ is: 'known', run: 'newer' })
    expect(found(older, like(one, 'refused', away, { verdict: 'refused', steps: [] }))).toMatchObject({ run: 'older' })
    expect(found(older, like(one, 'elsewhere', intent('switchover', 'dc-b', 'dc-c')))).toMatchObject({ run: 'older' })
    expect(found(older, like(one, 'planned', intent('switchover', 'dc-a', 'dc-b')))).toMatchObject({
      run: 'planned',
      mode: 'switchover',
    })
    expect(found(older, like(one, of.run, intent('rejoin', 'dc-b', 'dc-a'), { verdict: 'stopped' }))).toMatchObject({
      run: 'older',
    })
    expect(found()).toBeNull()
  })

  test('is none that another rejoin has followed to its end', async () => {
    const one = await failover()
    const older = like(one, 'older', intent('failover', 'dc-a', 'dc-b'))
    const back = intent('rejoin', 'dc-b', 'dc-a')
    expect(followedMove([older, like(one, 'stopped', back, { verdict: 'stopped' })], of)).toMatchObject({
      run: 'older',
    })
    expect(followedMove([older, like(one, 'another', back)], of)).toEqual({
      is: 'unknown',
      why: 'dc-a has rejoined in run another, and no move has left it since',
    })
  })

  test('is found although many newer records of other runs follow it', async () => {
    const one = await failover()
    const store = memoryStore()
    await keepEvidence(store, like(one, 'long-ago', intent('failover', 'dc-a', 'dc-b')))
    for (let n = 0; n < 45; n++)
      await keepEvidence(store, { ...one, run: `refused-${n}`, steps: [], verdict: 'refused' })
    expect(await readEarlierMove(store, of)).toMatchObject({ is: 'known', run: 'long-ago' })
  })
})

describe('what is counted', () => {
  const follows = (saved: Record<string, string> = {}): FollowedMove => ({
    is: 'known',
    run: 'r',
    mode: 'failover',
    predicted: { bytes: [0, null], seconds: [0, 12], why: 'x' },
    counted: null,
    saved,
  })
  const step = (id: string, found: object): StepReport => ({
    ...at,
    id,
    proof: { found } as unknown as StepReport['proof'],
  })
  const at = {
    title: '',
    phase: 'FINAL_SYNC',
    site: 'dc-a' as SiteName,
    outcome: 'done',
    begunAt: null,
    endedAt: null,
    proof: null,
  } as const
  const rejoin: Intent = { mode: 'rejoin', from: 'dc-b' as SiteName, to: 'dc-a' as SiteName }
  const of = (found: object, saved?: Record<string, string>): FoundLoss =>
    foundLoss(rejoin, [step('database.keep-evidence@dc-a', found)], follows(saved)) as FoundLoss
  const text = (found: FoundLoss): string => foundRows(found, 'dc-a').at(-1)?.[1] ?? ''

  test('has an open end wherever not all could be read', () => {
    const part = of({ ...FOUND, rows: [9, null], commits: [3, null] }, { database: '2026-11-21T05:59:50.000Z' })
    expect(part.seconds).toEqual([7, null])
    expect(text(part)).toContain('at least 9 rows in at least 3 commits')
    expect(text(part)).toContain('at least 7.0 s of writes, 160 B of WAL')
    const nothing = of({
      bytes: [0, null],
      rows: [0, null],
      commits: [0, null],
      tables: [],
      why: 'could not be decoded',
    })
    expect(nothing.seconds).toEqual([0, null])
    expect(text(nothing)).toBe('an unknown number of rows: could not be decoded')
  })

  test('of several databases is added up, each by the last commit of its own that was saved', () => {
    const both = foundLoss(
      rejoin,
      [
        step('one.keep-evidence@dc-a', FOUND),
        step('two.keep-evidence@dc-a', { ...FOUND, lastCommitAt: '2026-11-21T06:00:10Z' }),
      ],
      follows({ one: '2026-11-21T05:59:00Z', two: '2026-11-21T06:00:00Z' }),
    )
    expect(both).toMatchObject({ bytes: [320, 320], rows: [18, 18], commits: [6, 6], seconds: [18, 59] })
    expect(both?.lastCommitAt).toBe('2026-11-21T06:00:10Z')
  })

  test('is of rejoins alone', () => {
    const steps = [step('database.keep-evidence@dc-a', FOUND)]
    expect(foundLoss({ ...rejoin, mode: 'failover' }, steps, follows())).toBeNull()
    expect(foundLoss(rejoin, [step('database.keep-evidence@dc-a', { bytes: 'many' })], follows())).toBeNull()
  })

  test('names the tables with the most changes, on one line, whatever they are called', () => {
    const tables = [1, 2, 3, 4, 5, 6, 7].map((n) => ({ table: `t${n}\n## x`, inserted: n, updated: 0, deleted: 0 }))
    const many = text(of({ ...FOUND, tables }))
    expect(many).toContain('(t7 ## x: 7 inserted;')
    expect(many).toContain('; and 2 more tables)')
    expect(many).not.toContain('\n')
  })

  test('is said of a predicted loss as of every other', () => {
    const likely: Loss = { bytes: [0, null], seconds: [0, 90], likely: 10, why: 'x' }
    const body = {
      run: 'r',
      verdict: 'moved',
      plan: { intent: { mode: 'failover', from: 'dc-a', to: 'dc-b' } },
      loss: { predicted: likely },
    }
    const steps = [{ ...at, id: 'database.promote@dc-b', phase: 'PROMOTE' }]
    const known = followedMove([{ ...body, steps } as unknown as EvidenceBody], { run: 'x', site: 'dc-a' })
    expect(known).toMatchObject({ predicted: likely, counted: null })
    expect(foundRows({ ...of(FOUND), follows: known as FollowedMove }, 'dc-a')).toContainEqual([
      'counted then',
      'not counted',
    ])
  })
})
