import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { systemClock } from '../../../../src/composition/connect.ts'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Intent, PlannedStep } from '../../../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../../../src/domain/stack.ts'
import { type DriverStep, idOfStep } from '../../../../src/driver/action.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { EngineBehaviour } from '../../../../src/driver/engine.ts'
import type { PlatformKey } from '../../../../src/driver/platform-key.ts'
import { actions } from '../../../../src/drivers/redis-sentinel/actions.ts'
import { type GroupState, observeGroup } from '../../../../src/drivers/redis-sentinel/observe.ts'
import type { Group } from '../../../../src/drivers/redis-sentinel/spec.ts'
import { contextOfStep } from '../../../../src/execution/isolate-lost-site.ts'
import { type StepPerformer, stepPerformer } from '../../../../src/execution/perform-step.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { deadlineAfter } from '../../../../src/waiting/deadline.ts'
import {
  REDIS_LOGIN,
  SENTINEL_LOGIN,
  SENTINEL_PASSWORD,
  SERVERS_LOGIN,
  type SentinelWorld,
} from '../../../support/sentinel.ts'

export const [A, B, C] = ['dc-a' as SiteName, 'dc-b' as SiteName, 'dc-c' as SiteName]

export const groupOf = (world: SentinelWorld): Group =>
  ({
    name: 'cache',
    driver: 'redis-sentinel',
    needs: [],
    spec: {
      ...world.spec,
      redis: { user: REDIS_LOGIN.user, password: { env: 'REDIS_PASSWORD' } },
      sentinel: {
        ...(world.spec.tls === undefined ? {} : { user: SENTINEL_LOGIN.user }),
        password: { env: 'SENTINEL_PASSWORD' },
      },
    },
  }) as unknown as Group

/** A context whose hosts are this machine; a site in `cut` is not reached. */
export function contextOf(
  world: SentinelWorld,
  cut: ReadonlySet<string> = new Set(),
  signal: AbortSignal = AbortSignal.timeout(300_000),
): DriverContext {
  const stack = { sites: Object.keys(world.spec.sites).map((name) => ({ name })) } as unknown as Stack
  const hostsAt = (site: string) => ({
    site,
    machines: {},
    async run(
      _machine: string,
      command: string,
      options: { readonly stdin?: string; readonly deadline?: number } = {},
    ) {
      if (cut.has(site)) throw new Error(`${site} is cut off`)
      return world.on(command, { ...options, timeout: options.deadline ?? 10_000 })
    },
  })
  return {
    stack,
    signal,
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    clock: systemClock,
    platform: (_key: PlatformKey<unknown>, site: string) => hostsAt(site),
    credential: async (reference: { readonly env?: string }) =>
      reference.env === 'REDIS_PASSWORD' ? REDIS_LOGIN.password : SENTINEL_PASSWORD,
  } as unknown as DriverContext
}

export async function observeAll(
  world: SentinelWorld,
  cut: ReadonlySet<string> = new Set(),
): Promise<Record<string, Observed<GroupState>>> {
  const seen = await Promise.all(
    Object.keys(world.spec.sites).map(
      async (site) => [site, await observeGroup(groupOf(world), site as SiteName, contextOf(world, cut))] as const,
    ),
  )
  return Object.fromEntries(seen)
}

/** Performs steps as a run does, each from its first look to its proof, which later steps read. */
export interface Mover {
  perform(step: DriverStep): Promise<JsonObject>
  takeBack(step: DriverStep): Promise<JsonObject>
  readonly proofs: Map<string, JsonObject>
}
export function moverOf(world: SentinelWorld, intent: Intent, cut: ReadonlySet<string> = new Set()): Mover {
  const component = groupOf(world)
  const proofs = new Map<string, JsonObject>()
  function performer(step: DriverStep): StepPerformer {
    const action = actions.find(({ name }) => name === step.action)
    if (action === undefined) throw new Error(`no action ${step.action}`)
    const signal = AbortSignal.timeout(step.deadline)
    const id = idOfStep(component, step)
    const planned = { ...step, id } as unknown as PlannedStep
    const run = {
      step: { id, phase: step.phase, parameters: step.parameters },
      component: component as never,
      site: step.site,
      intent,
      context: contextOfStep(contextOf(world, cut, signal), intent, planned),
      signal,
      begunAt: new Date().toISOString(),
      applied: false,
      pastReturn: step.irreversible,
      proofOf: <P>(reference: { readonly id: string }) => (proofs.get(reference.id) ?? null) as P | null,
    }
    return stepPerformer(action.behaviour as unknown as EngineBehaviour, run, {
      clock: systemClock,
      signal,
      deadline: deadlineAfter(step.deadline),
      waiting: () => undefined,
      assertOurs: async () => undefined,
    })
  }
  return {
    proofs,
    async perform(step) {
      const one = performer(step)
      try {
        const seen = await one.look(false)
        if (seen.is !== 'done') await one.apply()
        const proof = seen.is === 'done' ? seen.proof : await one.wait()
        proofs.set(idOfStep(component, step), proof)
        return proof
      } finally {
        one.close()
      }
    },
    async takeBack(step) {
      const one = performer(step)
      return one.takeBack().finally(() => one.close())
    },
  }
}

/** A client without manners: it writes to whichever Redis takes its write, and remembers what was acknowledged. */
export interface Writer {
  /** Since when it has been writing: keys `ledger:0`, `ledger:1`, … */
  stop(): Promise<{
    readonly acknowledged: readonly number[]
    /** The longest time between two acknowledged writes: ms. */
    readonly longestGap: number
  }>
}
/** `replicas`: how many must have a write before it counts (WAIT). */
export function startLedger(world: SentinelWorld, replicas = 0): Writer {
  const { authority = '', certificate = '', key = '' } = world.spec.tls ?? {}
  const secured =
    world.spec.tls === undefined
      ? {}
      : { tls: { ca: readFileSync(authority), cert: readFileSync(certificate), key: readFileSync(key) } }
  const clients = Object.values(world.redis).map(
    ({ port }) =>
      new Redis({
        host: world.host,
        port,
        ...secured,
        username: SERVERS_LOGIN.user,
        password: SERVERS_LOGIN.password,
        commandTimeout: 1_000,
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
        retryStrategy: () => 50,
      }),
  )
  for (const client of clients) client.on('error', () => undefined)
  const acknowledged: number[] = []
  let [running, last, longestGap, at] = [true, Date.now(), 0, 0]
  const written = (async () => {
    for (let number = 0; running; number++) {
      const client = clients[at % clients.length]
      try {
        await client?.set(`ledger:${number}`, '1')
        if (replicas > 0 && ((await client?.wait(replicas, 500)) ?? 0) < replicas) continue
        acknowledged.push(number)
        longestGap = Math.max(longestGap, Date.now() - last)
        last = Date.now()
      } catch {
        at++
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  return {
    async stop() {
      running = false
      await written
      for (const client of clients) client.disconnect()
      return { acknowledged, longestGap }
    },
  }
}

/** The acknowledged writes that a Redis does not have. */
export async function lostOn(world: SentinelWorld, node: string, acknowledged: readonly number[]): Promise<number[]> {
  const keys = await world.node(node).command('KEYS', 'ledger:*')
  const kept = new Set(keys.split('\n').map((key) => Number(key.slice('ledger:'.length))))
  return acknowledged.filter((number) => !kept.has(number))
}
