import type { World } from '../../src/composition/connect.ts'
import type { Approval } from '../../src/domain/approval.ts'
import type { Intent, PlannedStep } from '../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../src/domain/stack.ts'
import type { DriverStep } from '../../src/driver/action.ts'
import type { DriverContext } from '../../src/driver/context.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import type { MoveReport } from '../../src/evidence/reports.ts'
import { observe } from '../../src/observation/observe.ts'
import { continueFailover, type KeptRun, readRun } from '../../src/operations/continue-failover.ts'
import { findingsOf } from '../../src/planning/findings.ts'
import { digestOf } from '../../src/planning/plan-digest.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { hours, minutes } from '../../src/values/duration.ts'
import { createActive } from '../../src/witness/active.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'
import { recordsIn } from '../../src/witness/records-in-store.ts'
import type { Behaviour } from './flat/behaviour.ts'
import type { FlatDriver } from './flat/driver.ts'
import { liftedDriver } from './flat/lifted.ts'
import { type MemoryStore, memoryStore } from './memory-store.ts'

const site = (name: string): Stack['sites'][number] => ({
  name: name as SiteName,
  platforms: { kubernetes: { kubeconfig: { env: `KUBECONFIG_${name}` }, clusterId: `uid-${name}` } },
})

export const toyStack: Stack = {
  name: 'toy',
  sites: [site('dc-a'), site('dc-b')],
  initialActive: 'dc-a' as SiteName,
  witness: { driver: 'memory', spec: {} },
  approval: { expiry: hours(2) },
  fencing: { switchover: 'database', failover: 'traffic' },
  objectives: { backupAge: hours(26), restoreTime: minutes(30) },
  components: [
    { name: 'database', driver: 'toy', needs: [], spec: {} },
    { name: 'application', driver: 'toy', needs: ['database'], spec: {} },
  ],
  source: { path: 'standby.yaml', directory: '.', digest: 'a'.repeat(64) },
}

export function toyStep(id: string, phase: PlannedStep['phase'], more: Partial<PlannedStep> = {}): PlannedStep {
  const [left = id, place] = id.split('@')
  const [component = left, action = left] = left.split('.')
  return {
    id,
    component,
    action,
    site: (place as SiteName | undefined) ?? null,
    phase,
    needs: [],
    irreversible: false,
    deadline: minutes(1),
    expected: 1_000,
    title: id,
    parameters: {},
    ...more,
  }
}

/** The same as a driver of the kit returns it. */
export const toyDriverStep = (
  action: string,
  site: SiteName | null,
  phase: PlannedStep['phase'],
  more: Partial<DriverStep> = {},
): DriverStep => ({
  action,
  site,
  phase,
  needs: [],
  irreversible: false,
  deadline: minutes(1),
  expected: 1_000,
  title: action,
  parameters: {},
  ...more,
})

/** What really is, in the toy world: which site the database writes on, and what was done in which order. */
export interface ToyWorld {
  writer: 'dc-a' | 'dc-b' | null
  readonly effects: string[]
}

/** A toy stack after its first deploy: dc-a writes, and the witness names it in epoch 1. */
export async function deployedToy(): Promise<{ readonly toy: ToyWorld; readonly store: MemoryStore }> {
  const store = memoryStore()
  await createActive(store, {
    schemaVersion: 1,
    stack: 'toy',
    epoch: 1,
    activeSite: 'dc-a',
    since: '2026-11-20T00:00:00Z',
    run: 'deploy',
  })
  return { toy: { writer: 'dc-a', effects: [] }, store }
}

/** What stands for an approval where no reviewer is demanded. */
export const toyApproval = (digest: string, more: Partial<Approval> = {}): Approval => ({
  kind: 'local',
  digest,
  approvers: [],
  requestedBy: 'test',
  reason: 'test',
  proof: { purpose: { operation: 'execute' } },
  ...more,
})

/** What allows to go on with a kept run: a person brings the digest that was reviewed. */
export const toyAllowed =
  ({ plan }: KeptRun): (() => Promise<Approval>) =>
  async () =>
    toyApproval(digestOf(plan))

/** Goes on with a run, or takes it back, as it lies in the witness. */
export async function continueToy(world: World, run: string | null, how: 'resume' | 'abort'): Promise<MoveReport> {
  const kept = await readRun(world, run)
  return continueFailover(world, kept, how, toyAllowed(kept))
}

/** Time that passes only while somebody sleeps. */
export function toyClock(): Clock & { pass(ms: number): void } {
  let now = Date.now()
  return {
    now: () => new Date(now),
    pass(ms) {
      now += ms
    },
    async sleep(ms, until) {
      now += ms
      await new Promise<void>((resolve) => setImmediate(resolve))
      until.throwIfAborted()
    },
  }
}

/** A driver that moves a toy database: demote, promote, start; each effect is visible in the toy world. */
export function toyDriver(toy: ToyWorld, broken: Partial<Record<string, () => Promise<void>>> = {}): FlatDriver {
  const effect = (action: string, holds: () => boolean, apply: () => void, undo?: () => void): Behaviour => ({
    done: async () => (holds() ? { is: 'done', proof: { action } } : { is: 'pending', waitingFor: action }),
    apply: async () => {
      await broken[action]?.()
      toy.effects.push(action)
      apply()
    },
    ...(undo === undefined
      ? {}
      : {
          undo: async () => {
            toy.effects.push(`undo ${action}`)
            undo()
          },
          undone: async () => ({ is: 'done', proof: { writer: toy.writer } }),
        }),
  })
  const started = new Set<string>()
  const roleOf = (component: string, site: string | null): 'active' | 'passive' | 'unknown' => {
    if (component !== 'database') return 'unknown'
    return toy.writer === site ? 'active' : 'passive'
  }
  return {
    kind: 'toy',
    scope: 'site',
    schema: {},
    claims: () => [],
    access: () => [],
    observe: async (component, at) => ({
      kind: 'answering',
      state: {},
      role: roleOf(component.name, at),
      health: 'healthy',
      text: '',
      facts: component.name === 'database' ? [{ name: 'writer', value: toy.writer === at, binds: 'exactly' }] : [],
    }),
    assess: () => [],
    move: (component, _states, intent) => toySteps(component.name, intent),
    fence: (component, _states, intent) =>
      component.name === 'database' ? [toyStep(`database.demote@${intent.from}`, 'FENCE', { fence: 'database' })] : [],
    rejoin: (component, _states, intent) =>
      component.name === 'database' ? [toyStep(`database.follow@${intent.to}`, 'PROTECT')] : [],
    loss: (component) =>
      component.name === 'database'
        ? { of: 'writes', bytes: [0, 4096], seconds: [0, 30], why: 'the archive is 30 s old' }
        : null,
    keeps: ({ name }, { mode, to }) => {
      if (name !== 'database') return null
      return mode === 'rejoin'
        ? { carried: false, what: `what exists only on ${to} is kept as evidence` }
        : { carried: true, what: 'the last write of database is replayed' }
    },
    behaviours: {
      demote: effect(
        'demote',
        () => toy.writer === null || toy.effects.includes('promote'),
        () => {
          toy.writer = null
        },
        () => {
          toy.writer = 'dc-a'
        },
      ),
      promote: effect(
        'promote',
        () => toy.writer === 'dc-b',
        () => {
          toy.writer = 'dc-b'
        },
      ),
      close: effect(
        'close',
        () => toy.effects.includes('close'),
        () => undefined,
      ),
      follow: effect(
        'follow',
        () => toy.effects.includes('follow'),
        () => undefined,
      ),
      start: effect(
        'start',
        () => started.has('start'),
        () => started.add('start'),
      ),
      note: effect(
        'note',
        () => started.has('note'),
        () => started.add('note'),
      ),
    },
  }
}

/** A switchover demotes the old site; a failover has nothing there to rest on, and shuts the door outside. */
function toySteps(component: string, { mode, from, to }: Intent): PlannedStep[] {
  if (component === 'application')
    return [
      ...(mode === 'failover' ? [toyStep('application.close', 'DRAIN', { fence: 'traffic' })] : []),
      toyStep(`application.start@${to}`, 'START'),
      toyStep(`application.note@${to}`, 'PROTECT'),
    ]
  return [
    ...(mode === 'switchover' ? [toyStep(`database.demote@${from}`, 'FENCE', { fence: 'database' })] : []),
    toyStep(`database.promote@${to}`, 'PROMOTE', { irreversible: true, parameters: { to } }),
  ]
}

/** A world around the toy driver and a store: what operations work with, without a network. */
export function toyWorld(
  toy: ToyWorld,
  store: ConditionalStore,
  more: {
    readonly driver?: FlatDriver
    readonly signal?: AbortSignal
    readonly clock?: Clock
    readonly silent?: readonly string[]
  } = {},
): World {
  const drivers = { toy: liftedDriver(more.driver ?? toyDriver(toy)) }
  const signal = more.signal ?? new AbortController().signal
  const silent = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  const clock = more.clock ?? toyClock()
  const kubernetes = (name: SiteName) => ({
    clusterId: async () => {
      if (more.silent?.includes(name))
        throw siteError('site-unreachable', `${name} does not answer`, { retry: 'transient' })
      return `uid-${name}`
    },
    version: async () => 'v1.34',
  })
  const context = {
    stack: toyStack,
    signal,
    clock,
    log: silent,
    platform: (_key: unknown, name: SiteName) => kubernetes(name),
    records: recordsIn(store, silent),
  } as unknown as DriverContext
  return {
    stack: toyStack,
    drivers,
    context,
    store,
    clock,
    log: silent,
    signal,
    listener: () => undefined,
    observe: () => observe(context, store, drivers),
    findings: (observation, intent) => findingsOf(toyStack, observation, intent, drivers),
    close: async () => undefined,
  }
}
