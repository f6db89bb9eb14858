import type { KubernetesClient } from '../../src/clients/kubernetes-client.ts'
import type { Observed } from '../../src/domain/observed.ts'
import { type SiteName, siteOf } from '../../src/domain/stack.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import { closeSite, type Door } from '../../src/guard/close-site.ts'
import type { GuardRules, Knowledge } from '../../src/guard/decide.ts'
import { type Guard, guardSite } from '../../src/guard/guard-site.ts'
import { guardContext } from '../../src/guard/reach.ts'
import type { GuardReport } from '../../src/guard/report.ts'
import { KUBERNETES } from '../../src/platform/kubernetes/key.ts'
import { kubernetesPlatform } from '../../src/platform/kubernetes/platform.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'
import type { Behaviour } from './flat/behaviour.ts'
import type { FlatDriver } from './flat/driver.ts'
import { liftedDriver } from './flat/lifted.ts'
import { toyStack, toyStep } from './toy-stack.ts'

/** What a test turns: who is active by the witness, and what is open on the site. */
export interface ToySite {
  /** Milliseconds since the machine started; each pause of the guard moves it on. */
  now: number
  /** What the witness says now; null: it is silent. */
  witness: { readonly epoch: number; readonly activeSite: string } | null
  /** Per component, what it looks like from inside. */
  readonly role: Record<'database' | 'application', 'active' | 'passive' | 'silent'>
  /** Everything that was done to the site, in order. */
  readonly effects: string[]
  readonly lines: string[]
  readonly reports: GuardReport[]
  /** Of a component whose fence hangs or fails. */
  readonly broken: Partial<Record<'database' | 'application', () => Promise<void>>>
  /** Runs before each reading of the witness: where a test lets the world change under the guard's feet. */
  onReading: (reading: number) => void
  readings: number
  /** Runs whenever the guard looks at a part of the site. */
  onLooking: () => void
  knowledge: Knowledge | null
}

export function toySite(more: Partial<ToySite> = {}): ToySite {
  return {
    now: 1_000_000,
    witness: { epoch: 4, activeSite: 'dc-a' },
    role: { database: 'active', application: 'active' },
    effects: [],
    lines: [],
    reports: [],
    broken: {},
    onReading: () => undefined,
    readings: 0,
    onLooking: () => undefined,
    knowledge: null,
    ...more,
  }
}

/** A driver with a fence per component; its undo is there to be caught. */
export function doorDriver(toy: ToySite): FlatDriver {
  const nameOf = (component: { readonly name: string }) => component.name as 'database' | 'application'
  const fence: Behaviour = {
    done: async ({ component }) =>
      toy.role[nameOf(component)] === 'passive'
        ? { is: 'done', proof: { closed: component.name } }
        : { is: 'pending', waitingFor: component.name },
    apply: async ({ component }) => {
      await toy.broken[nameOf(component)]?.()
      toy.effects.push(`close ${component.name}`)
      toy.role[nameOf(component)] = 'passive'
    },
    undo: async ({ component }) => {
      toy.effects.push(`OPEN ${component.name}`)
    },
  }
  return {
    kind: 'toy',
    scope: 'site',
    schema: {},
    claims: () => [],
    access: () => [],
    observe: async (component): Promise<Observed> => {
      toy.onLooking()
      const role = toy.role[nameOf(component)]
      return role === 'silent'
        ? { kind: 'silent', why: 'no answer' }
        : { kind: 'answering', state: {}, role, health: 'healthy', text: '', facts: [] }
    },
    assess: () => [],
    fence: (component, _states, intent) => [
      toyStep(`${component.name}.fence@${intent.from}`, 'FENCE', {
        needs: component.name === 'database' ? [`application.fence@${intent.from}`] : [],
      }),
      // A driver that plans for another site must not be followed there.
      toyStep(`${component.name}.fence@${intent.to}`, 'FENCE'),
    ],
    behaviours: { fence },
  }
}

/** Runs the guard of a site until the toy's clock reaches `until`. */
export async function watch(
  toy: ToySite,
  options: {
    readonly until: number
    readonly site?: string
    readonly rules?: Partial<GuardRules>
    readonly every?: number
    readonly driver?: FlatDriver
    readonly clusterId?: string
    /** Of every pause: 0 the shortest, 1 the longest. */
    readonly random?: number
    /** How long it takes to hand a report out. */
    readonly reporting?: number
  },
): Promise<void> {
  const ending = new AbortController()
  const end = toy.now + options.until
  const clock: Clock = {
    now: () => new Date(toy.now),
    async sleep(ms, signal) {
      toy.now += ms
      if (toy.now >= end) ending.abort()
      await new Promise((resolve) => setImmediate(resolve))
      signal.throwIfAborted()
    },
  }
  const store: Pick<ConditionalStore, 'get' | 'stack'> = {
    stack: 'toy',
    async get() {
      toy.readings += 1
      toy.onReading(toy.readings)
      if (toy.witness === null) throw siteError('witness-unreachable', 'it refuses connections', { retry: 'transient' })
      const body = { schemaVersion: 1, stack: 'toy', since: '2026-11-24T20:00:00Z', run: 'r', ...toy.witness }
      return { body, version: '1' }
    },
  }
  const site = (options.site ?? 'dc-a') as SiteName
  const log = {
    info: (line: string) => void toy.lines.push(line),
    warning: (line: string) => void toy.lines.push(`! ${line}`),
    debug: () => undefined,
  }
  const kubernetes = { site, clusterId: async () => options.clusterId ?? `uid-${site}` } as unknown as KubernetesClient
  const context = guardContext({
    stack: toyStack,
    site,
    platform: { name: KUBERNETES.platform, client: kubernetes },
    store: store as ConditionalStore,
    clock,
    log,
    signal: ending.signal,
  })
  const door: Door = {
    stack: toyStack,
    site,
    drivers: { toy: liftedDriver(options.driver ?? doorDriver(toy)) },
    context,
    identify: kubernetesPlatform.reach(siteOf(toyStack, site), context).identify,
  }
  const guard: Guard = {
    stack: toyStack,
    site,
    context,
    close: (activeSite, mayClose) => closeSite(door, activeSite, mayClose),
    rules: { silence: 60_000, closeAfter: null, ...options.rules },
    every: options.every ?? 5_000,
    store,
    uptime: () => toy.now,
    random: () => options.random ?? 0.5,
    memory: {
      load: () => toy.knowledge,
      save: (knowledge) => {
        toy.knowledge = knowledge
      },
    },
    publish: async (report) => {
      toy.now += options.reporting ?? 0
      toy.reports.push(report)
    },
    configuration: 'c',
  }
  await guardSite(guard)
}
