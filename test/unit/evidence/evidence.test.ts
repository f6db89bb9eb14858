import { describe, expect, test } from '@jest/globals'
import type { Approval } from '../../../src/domain/approval.ts'
import type { PlannedStep } from '../../../src/domain/plan.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { judgeChain } from '../../../src/evidence/chain.ts'
import type { EvidenceBody } from '../../../src/evidence/evidence-body.ts'
import { bodyIn, EVIDENCE_FOLDER, keepEvidence, newestBodies, readChain } from '../../../src/evidence/keep-evidence.ts'
import { moveTimes } from '../../../src/evidence/move-times.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { MoveRequest } from '../../../src/planning/resolve-intent.ts'
import { evidenceText } from '../../../src/reporting/evidence-text.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { mortalProcess } from '../../support/mortal-process.ts'
import { schemaErrors } from '../../support/published-schemas.ts'
import { toyCode } from '../../support/toy-codes.ts'
import { continueToy, deployedToy, toyApproval, toyClock, toyDriver, toyWorld } from '../../support/toy-stack.ts'

const approve = (digest: string): Approval =>
  toyApproval(digest, { approvers: [{ id: '7', name: 'rita' }], requestedBy: 'sam', reason: 'incident 4711' })

async function planned(request: MoveRequest = { mode: 'switchover', to: 'dc-b' }) {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const broken: Record<string, () => Promise<void>> = {}
  const driver = toyDriver(toy, broken)
  const silent = request.mode === 'failover' ? ['dc-a'] : []
  const world = () => toyWorld(toy, store, { clock, driver, silent })
  const { plan, digest } = await planFailover(world(), request)
  return { toy, store, clock, broken, world, plan, digest }
}
/** Runs whose process died at one instant after another, up to some instant or its end, and left no record. */
async function* leftByTheDead(upTo: number) {
  for (let diesAt = 12; diesAt < upTo; diesAt++) {
    const one = await planned()
    const mortal = mortalProcess(one.world(), diesAt)
    const ended = executeFailover(mortal.world, one.plan, approve(one.digest)).then(() => 'ended' as const)
    if ((await Promise.race([mortal.died, ended])) === 'ended') return
    const run = (await one.store.list('runs/')).find((key) => key.endsWith('/journal/000001.json'))?.split('/')[1]
    if (run !== undefined && (await one.store.list('evidence/')).length === 0) yield { one, run }
  }
}
const bodies = async (store: ConditionalStore): Promise<EvidenceBody[]> => newestBodies(store, 100)

describe('every run leaves a record that says who, what, when and how it ended', () => {
  test('a switchover that moved', async () => {
    const at = await planned()
    const report = await executeFailover(at.world(), at.plan, approve(at.digest))
    const [body] = await bodies(at.store)
    expect(schemaErrors('evidence.schema.json', body)).toEqual([])
    expect(schemaErrors('result.schema.json#/$defs/move', report)).toEqual([])
    expect(body).toMatchObject({
      run: report.run,
      operation: 'execute',
      verdict: 'moved',
      failure: null,
      asked: { by: 'sam', reason: 'incident 4711' },
      approval: { approvers: [{ name: 'rita' }], digest: at.digest },
      plan: { digest: at.digest, intent: at.plan.intent },
      processes: [{ attempt: 1 }],
      fence: { required: 'database', reached: ['database'] },
      loss: { counted: { bytes: [0, 0], seconds: [0, 0] } },
    })
    expect(body?.facts.started).toEqual(body?.facts.planned)
    expect(body?.steps.find(({ id }) => id === 'database.promote@dc-b')).toMatchObject({
      outcome: 'done',
      begunAt: expect.any(String),
      endedAt: expect.any(String),
      proof: { action: 'promote' },
    })
    expect(report).toMatchObject({
      evidence: `${EVIDENCE_FOLDER}00000001.json`,
      fence: body?.fence,
      loss: body?.loss,
      rto: body?.rto,
    })
    expect(report).toMatchObject({
      operation: 'execute',
      asked: { by: 'sam', reason: 'incident 4711' },
      approved: { kind: 'local', approvers: [{ name: 'rita' }] },
      deviations: body?.deviations,
    })
    expect(report.evidenceHead).toBe(judgeChain(await readChain(at.store)).head)
    expect(evidenceText('00000001.json', body as EvidenceBody)).toContain('rita')
  })

  test('what users wait for includes the last look at the sites', async () => {
    const { toy, store } = await deployedToy()
    const clock = toyClock()
    const own = toyDriver(toy)
    const served = (step: PlannedStep): PlannedStep => (step.action === 'note' ? { ...step, phase: 'TRAFFIC' } : step)
    const driver: FlatDriver = { ...own, move: (...of) => (own.move?.(...of) ?? []).map(served) }
    const world = toyWorld(toy, store, { clock, driver })
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const observe = async () => {
      clock.pass(3_000)
      return world.observe()
    }
    const report = await executeFailover({ ...world, observe }, plan, approve(digest))
    expect(report.duration).toBeGreaterThanOrEqual(3_000)
    expect(report.rto?.execute).toBeGreaterThanOrEqual(3_000)
    expect(report.rto?.startToGreen).toBeGreaterThanOrEqual(3_000)
  })

  test('a refused run: what it lacks is null, and nothing was changed', async () => {
    const at = await planned()
    at.toy.writer = null
    const report = await executeFailover(at.world(), at.plan, approve(at.digest))
    const [body] = await bodies(at.store)
    expect(report.verdict).toBe('refused')
    expect(body).toMatchObject({ verdict: 'refused', failure: { code: 'plan-stale' }, steps: [], processes: [] })
    expect(body?.loss.counted).toBeNull()
    expect(body?.rto).toMatchObject({ execute: null, green: null, startToGreen: null })
    expect(schemaErrors('evidence.schema.json', body)).toEqual([])
    expect(at.toy.effects).toEqual([])
  })

  test('a run that was refused because a fact moved: what was approved, what was seen, and the difference', async () => {
    const at = await planned()
    at.toy.writer = null
    const report = await executeFailover(at.world(), at.plan, approve(at.digest))
    const [body] = await bodies(at.store)
    expect(body?.facts).toMatchObject({ planned: at.plan.facts, approved: { digest: at.digest, at: body?.approvedAt } })
    expect(body?.facts.started?.find(({ name, site }) => name === 'writer' && site === 'dc-a')).toMatchObject({
      value: false,
    })
    expect(body?.deviations).toContainEqual({ what: 'fact database@dc-a writer', predicted: 'true', was: 'false' })
    expect(report.deviations).toEqual(body?.deviations)
    expect(schemaErrors('evidence.schema.json', body)).toEqual([])
  })

  test('a run that was refused before anything was looked at has seen no fact', async () => {
    const at = await planned()
    await executeFailover(at.world(), at.plan, approve('0'.repeat(64)))
    expect((await bodies(at.store))[0]).toMatchObject({ verdict: 'refused', facts: { started: null }, deviations: [] })
  })

  test('a run that was taken back by itself', async () => {
    const at = await planned()
    at.broken.demote = async () => {
      throw siteError(toyCode['demotion-refused'], 'no')
    }
    await executeFailover(at.world(), at.plan, approve(at.digest))
    const [body] = await bodies(at.store)
    expect(body).toMatchObject({ verdict: 'undone', failure: { code: 'demotion-refused' } })
    expect(body?.deviations).toContainEqual({ what: 'database.demote@dc-a', predicted: 'done', was: 'failed' })
    expect(body?.steps.find(({ id }) => id === 'database.demote@dc-a')).toMatchObject({
      outcome: 'undone',
      takenBack: { endedAt: expect.any(String), proof: { writer: 'dc-a' } },
    })
    expect(schemaErrors('evidence.schema.json', body)).toEqual([])
  })

  test('a run that another process took back: of each step what it did and when, and what was seen when that was undone', async () => {
    let undone = 0
    for await (const { one, run } of leftByTheDead(150)) {
      const report = await continueToy(one.world(), run, 'abort').catch(() => null)
      if (report?.verdict !== 'undone') continue
      const [body] = await bodies(one.store)
      const journal = (await openJournal(one.store, run)).entries
      for (const step of body?.steps.filter(({ outcome }) => outcome === 'undone') ?? []) {
        const own = journal.filter((entry) => 'step' in entry && entry.step === step.id)
        const result = own.find((entry) => entry.kind === 'result')
        // Going back looks at every fence of the plan, also at one of which nothing is on record.
        expect(step.begunAt).toBe(own.find(({ kind }) => kind === 'intent')?.at ?? null)
        if (result?.kind === 'result') expect(step).toMatchObject({ endedAt: result.at, proof: result.proof })
        if (step.id === 'database.demote@dc-a') expect(step.takenBack?.proof).toEqual({ writer: 'dc-a' })
        undone += 1
      }
      expect(schemaErrors('evidence.schema.json', body)).toEqual([])
    }
    expect(undone).toBeGreaterThan(5)
  })

  test('a failover: the loss that was predicted, and the bound that was accepted', async () => {
    const at = await planned({ mode: 'failover', to: 'dc-b', acceptLoss: 60_000 })
    await executeFailover(at.world(), at.plan, approve(at.digest))
    const [body] = await bodies(at.store)
    expect(body?.verdict).toBe('moved')
    expect(body?.plan.intent.acceptLoss).toBe(60_000)
    expect(body?.loss).toEqual({
      predicted: { bytes: [0, 4096], seconds: [0, 30], why: 'the archive is 30 s old' },
      counted: null,
    })
    expect(body?.fence).toEqual({ required: 'traffic', reached: ['traffic'] })
  })

  test('a run that another process continued: the steps of both, with their times, and a record for each process that lived to write one', async () => {
    let continued = 0
    for await (const { one, run } of leftByTheDead(40)) {
      const report = await continueToy(one.world(), run, 'resume').catch(() => null)
      if (report === null) continue
      const [body] = await bodies(one.store)
      expect(body).toMatchObject({ verdict: 'moved', operation: 'resume', processes: [{ attempt: 1 }, { attempt: 2 }] })
      const untimed = body?.steps.filter(({ begunAt, endedAt }) => begunAt === null || endedAt === null)
      expect(untimed).toEqual([])
      continued += 1
    }
    expect(continued).toBeGreaterThan(5)
  })

  test.each([
    ['resume', 'run-ended'],
    ['abort', 'run-ended'],
  ] as const)(
    'who comes to %s a run that has ended: it is refused, and the refusal is on record',
    async (how, code) => {
      const at = await planned()
      const { run } = await executeFailover(at.world(), at.plan, approve(at.digest))
      await expect(continueToy(at.world(), run, how)).rejects.toMatchObject({ code })
      const [, refused] = await bodies(at.store)
      expect(refused).toMatchObject({
        run,
        operation: how,
        verdict: 'refused',
        failure: { code },
        steps: [],
        asked: { by: 'test' },
      })
      expect(schemaErrors('evidence.schema.json', refused)).toEqual([])
    },
  )

  test('a run whose plan could not be kept in the witness: nothing begins, and the log says that no record is left', async () => {
    const at = await planned()
    const warnings: string[] = []
    const world = at.world()
    const full = async (): Promise<never> => {
      throw siteError('witness-unreachable', 'no answer', { retry: 'transient' })
    }
    const log = { ...world.log, warning: (line: string) => void warnings.push(line) }
    const report = await executeFailover(
      { ...world, store: { ...at.store, create: full }, log },
      at.plan,
      approve(at.digest),
    )
    expect(report).toMatchObject({ verdict: 'refused', failure: { code: 'witness-unreachable' }, evidence: null })
    expect(warnings).toEqual([expect.stringContaining('could not be written')])
    expect(at.toy.effects).toEqual([])
  })

  test('a witness that keeps the run from beginning costs a warning, and no other failure', async () => {
    const at = await planned()
    const gone = async (): Promise<never> => {
      throw siteError('witness-unreachable', 'no answer', { retry: 'transient' })
    }
    const warnings: string[] = []
    const world = at.world()
    const deaf = {
      ...world,
      store: {
        stack: null,
        get: gone,
        list: gone,
        getText: gone,
        create: gone,
        createText: gone,
        replace: gone,
        time: async () => null,
      },
      log: { ...world.log, warning: (line: string) => void warnings.push(line) },
      observe: gone,
    }
    const report = await executeFailover(deaf, at.plan, approve(at.digest))
    expect(report).toMatchObject({ verdict: 'refused', failure: { code: 'witness-unreachable' }, evidence: null })
    expect(warnings).toEqual([expect.stringContaining('could not be written')])
  })
})

describe('where the time went', () => {
  const minutes = (n: number): number => n * 60_000
  /** The approval came `approved` after the plan, on GitHub, and the run began `begun` after it. */
  async function split(approval: (digest: string, startedAt: string) => Approval) {
    const at = await planned()
    at.clock.pass(minutes(10))
    const startedAt = at.clock.now().toISOString()
    at.clock.pass(minutes(1))
    await executeFailover(at.world(), at.plan, approval(at.digest, startedAt))
    const [body] = await bodies(at.store)
    expect(schemaErrors('evidence.schema.json', body)).toEqual([])
    return { approvedAt: body?.approvedAt, startedAt, rto: body?.rto }
  }
  const reviewed = (digest: string, jobStartedAt: string | null): Approval => ({
    ...approve(digest),
    kind: 'github-environment',
    proof: { purpose: { operation: 'execute' }, jobStartedAt },
  })

  test('on GitHub, people decide until the job begins that they let go', async () => {
    const { approvedAt, startedAt, rto } = await split(reviewed)
    expect(approvedAt).toBe(startedAt)
    expect(rto).toMatchObject({ decide: minutes(10), approve: minutes(1) })
  })

  test('where GitHub does not say it, or signatures have no time, all of it is the decision, and nothing is invented', async () => {
    for (const approval of [
      (digest: string) => reviewed(digest, null),
      (digest: string) => ({ ...approve(digest), kind: 'signatures' as const }),
    ])
      expect(await split(approval)).toMatchObject({ approvedAt: null, rto: { decide: minutes(11), approve: null } })
  })

  test('where no approval is required, the decision ends with the command', async () => {
    expect((await split(approve)).rto).toMatchObject({ decide: minutes(11), approve: 0 })
  })

  test('an approval that a later process was given is no part of how the run began', () => {
    const plan = { madeAt: '2026-11-21T06:00:00Z' }
    const times = { plan, begunAt: '2026-11-21T06:05:00Z', approvedAt: '2026-11-21T09:00:00Z', steps: [] }
    expect(moveTimes(times)).toMatchObject({ decide: minutes(5), approve: null })
  })
})

describe('the chain in the witness', () => {
  const body = async (): Promise<EvidenceBody> => {
    const at = await planned()
    await executeFailover(at.world(), at.plan, approve(at.digest))
    return (await bodies(at.store))[0] as EvidenceBody
  }

  test('grows by one whole record at a time, also when many append at once', async () => {
    const store = memoryStore()
    const one = await body()
    const kept = await Promise.all([1, 2, 3, 4, 5].map((n) => keepEvidence(store, { ...one, run: `run-${n}` })))
    expect(judgeChain(await readChain(store))).toMatchObject({ records: 5, broken: null })
    expect(new Set(kept.map(({ record }) => record)).size).toBe(5)
    expect(
      judgeChain(
        await readChain(store),
        kept.map(({ head }) => head),
      ).broken,
    ).toBeNull()
  })

  test('is made whole by the next run when a process died between a record and its link', async () => {
    const store = memoryStore()
    const one = await body()
    await keepEvidence(store, { ...one, run: 'run-1' })
    const dying: ConditionalStore = {
      ...store,
      createText: (key, text) =>
        key.endsWith('.sha256')
          ? Promise.reject(siteError('witness-unreachable', 'dead', { retry: 'transient' }))
          : store.createText(key, text),
    }
    await expect(keepEvidence(dying, { ...one, run: 'run-2' })).rejects.toMatchObject({ code: 'witness-unreachable' })
    expect(judgeChain(await readChain(store)).broken).toMatchObject({ file: '00000002.sha256' })
    await keepEvidence(store, { ...one, run: 'run-3' })
    expect(judgeChain(await readChain(store))).toMatchObject({ records: 3, broken: null })
  })

  test('goes on after records of an older format, which stay what they were', async () => {
    const store = memoryStore()
    await store.createText(`${EVIDENCE_FOLDER}00000001.json`, '{"schemaVersion":1,"sequence":1}')
    await keepEvidence(store, await body())
    expect(judgeChain(await readChain(store))).toMatchObject({ records: 2, broken: null })
    expect((await bodies(store)).length).toBe(1)
  })

  test('reads no record into what is none', () => {
    for (const text of ['', 'null', '[]', '{"schemaVersion":2}', '{"schemaVersion":1,"kind":"move"}'])
      expect(bodyIn(text)).toBeNull()
  })
})
