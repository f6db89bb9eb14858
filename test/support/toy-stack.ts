import type { World } from '../../src/composition.ts'
import { hours, minutes } from '../../src/duration.ts'
import type { ConditionalStore } from '../../src/execution/conditional-store.ts'
import { recordsIn } from '../../src/execution/records.ts'
import { observe } from '../../src/observation/observe.ts'
import type { Behaviour, Driver, DriverContext } from '../../src/planning/driver.ts'
import { findingsOf } from '../../src/planning/findings.ts'
import type { PlannedStep } from '../../src/planning/plan.ts'
import type { SiteName, Stack } from '../../src/stack/stack.ts'

const site = (name: string): Stack['sites'][number] => ({
  name: name as SiteName,
  kubernetes: { kubeconfig: { env: `KUBECONFIG_${name}` }, clusterId: `uid-${name}` },
})

export const toyStack: Stack = {
  name: 'toy',
  sites: [site('dc-a'), site('dc-b')],
  initialActive: 'dc-a' as SiteName,
  witness: { driver: 'memory', spec: {} },
  approval: { expiry: hours(2) },
  objectives: { backupAge: hours(26), restoreTime: minutes(30) },
  components: [
    { name: 'database', driver: 'toy', needs: [], spec: {} },
    { name: 'application', driver: 'toy', needs: ['database'], spec: {} },
  ],
  source: { path: 'standby.yaml', directory: '.', digest: 'stack-digest' },
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

/** What really is, in the toy world: which site the database writes on, and what was done in which order. */
export interface ToyWorld {
  writer: 'dc-a' | 'dc-b' | null
  readonly effects: string[]
}

/** A driver that moves a toy database: demote, promote, start; each effect is visible in the toy world. */
export function toyDriver(toy: ToyWorld, broken: Partial<Record<string, () => Promise<void>>> = {}): Driver {
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
        }),
  })
  const started = new Set<string>()
  return {
    kind: 'toy',
    scope: 'site',
    schema: {},
    claims: () => [],
    access: () => [],
    observe: async (component, at) => ({
      kind: 'answering',
      state: {},
      role: component.name === 'database' ? (toy.writer === at ? 'active' : 'passive') : 'unknown',
      health: 'healthy',
      text: '',
      facts: component.name === 'database' ? [{ name: 'writer', value: toy.writer === at, binds: 'exactly' }] : [],
    }),
    assess: () => [],
    move: (component, _states, intent) =>
      component.name === 'database'
        ? [
            toyStep(`database.demote@${intent.from}`, 'FENCE'),
            toyStep(`database.promote@${intent.to}`, 'PROMOTE', { irreversible: true, parameters: { to: intent.to } }),
          ]
        : [toyStep(`application.start@${intent.to}`, 'START'), toyStep(`application.note@${intent.to}`, 'PROTECT')],
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

/** A world around the toy driver and a store: what operations work with, without a network. */
export function toyWorld(
  toy: ToyWorld,
  store: ConditionalStore,
  more: { readonly driver?: Driver; readonly signal?: AbortSignal } = {},
): World {
  const drivers = { toy: more.driver ?? toyDriver(toy) }
  const signal = more.signal ?? new AbortController().signal
  const silent = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  const clock = {
    now: () => new Date(),
    sleep: async (_ms: number, until: AbortSignal) =>
      new Promise<void>((resolve) => setImmediate(resolve)).then(() => until.throwIfAborted()),
  }
  const kubernetes = (name: SiteName) => ({ clusterId: async () => `uid-${name}`, version: async () => 'v1.34' })
  const context = { stack: toyStack, signal, clock, log: silent, kubernetes, records: recordsIn(store) } as unknown as DriverContext
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
