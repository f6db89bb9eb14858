import { askOverHttp } from '../../src/clients/http-question.ts'
import type { SshAccess, SshRunner } from '../../src/clients/ssh.ts'
import { systemClock, type World } from '../../src/composition/connect.ts'
import type { Intent } from '../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../src/domain/stack.ts'
import { type DriverStep, idOfStep } from '../../src/driver/action.ts'
import type { StatesPerSite } from '../../src/driver/capabilities.ts'
import type { DriverContext } from '../../src/driver/context.ts'
import type { EngineBehaviour, SeenByEngine } from '../../src/driver/engine.ts'
import { actions } from '../../src/drivers/patroni/actions.ts'
import { patroni } from '../../src/drivers/patroni/driver.ts'
import { observePatroni, type PatroniState } from '../../src/drivers/patroni/observe.ts'
import type { Database, PatroniSpec } from '../../src/drivers/patroni/spec.ts'
import { type StepPerformer, stepPerformer } from '../../src/execution/perform-step.ts'
import { observe } from '../../src/observation/observe.ts'
import { findingsOf } from '../../src/planning/findings.ts'
import { type HostsClient, openHosts } from '../../src/platform/hosts/client.ts'
import { onceByKey } from '../../src/runtime/once.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { deadlineAfter } from '../../src/waiting/deadline.ts'
import { createActive } from '../../src/witness/active.ts'
import { recordsIn } from '../../src/witness/records-in-store.ts'
import { type Certified, readCertified } from './authority.ts'
import { type MemoryStore, memoryStore } from './memory-store.ts'
import { LOGIN, type PatroniWorld, SCOPE } from './patroni.ts'
import { PROGRAMS } from './postgres.ts'

/** A world of Patroni as a stack declares it, with the clients of a move. */
export interface PatroniStack {
  readonly stack: Stack
  readonly component: Database
  readonly context: DriverContext
  observe(): Promise<StatesPerSite<PatroniState>>
  /** Performs one step from its first look to its proof, which later steps read. */
  perform(step: DriverStep, intent: Intent): Promise<JsonObject>
  takeBack(step: DriverStep, intent: Intent): Promise<JsonObject>
  performer(step: DriverStep, intent: Intent, pastReturn?: boolean): StepPerformer
  versioned(step: DriverStep, intent: Intent): VersionedParts
  /** All that an operation works with, whose witness is in memory. A new one names the first site. */
  world(witness?: MemoryStore): Promise<World & { die(): void }>
  readonly proofs: Map<string, JsonObject>
}

export interface VersionedParts {
  done(): Promise<SeenByEngine>
  apply(precondition: JsonObject): Promise<void>
  invalidate(): Promise<void>
}

const [AUTHORITY, CERTIFICATE, KEY] = [{ env: 'AUTHORITY' }, { env: 'CERTIFICATE' }, { env: 'CERTIFICATE_KEY' }]
function pemsOf(certified: Certified): Readonly<Record<string, string>> {
  const { authority, identity } = readCertified(certified)
  return { AUTHORITY: authority, CERTIFICATE: identity.certificate, CERTIFICATE_KEY: identity.key }
}

export function patroniStack(
  world: PatroniWorld,
  login: { readonly user: string; readonly password: string } = LOGIN,
): PatroniStack {
  const scheme = world.certified === null ? 'http' : 'https'
  const tls = world.certified === null ? {} : { authority: AUTHORITY, certificate: CERTIFICATE, key: KEY }
  const spec: PatroniSpec = {
    scope: SCOPE,
    topology: world.spansSites ? 'stretched' : 'standby-clusters',
    database: 'postgres',
    store: {
      kind: world.storeKind,
      endpoints: Object.fromEntries(world.sites.map(({ name, store }) => [name, [store.url]])),
      ...tls,
    },
    restApi: { user: { env: 'PATRONI_USER' }, password: { env: 'PATRONI_PASSWORD' }, ...tls },
    server: { dataDirectory: '/nowhere', programs: PROGRAMS, socket: '/nowhere', evidence: `${world.folder}/evidence` },
    service: { control: world.control },
    sites: Object.fromEntries(
      world.sites.map(({ name, nodes }) => [
        name,
        {
          members: Object.fromEntries(
            nodes.map((node) => [
              node.name,
              {
                host: node.name,
                restApi: `${scheme}://127.0.0.1:${node.restPort}`,
                postgres: `127.0.0.1:${node.port}`,
                dataDirectory: node.data,
                socket: node.folder,
              },
            ]),
          ),
        },
      ]),
    ),
  }
  const component: Database = { name: 'database', driver: 'patroni', needs: [], spec }
  const stack: Stack = {
    name: 'patroni-test',
    sites: world.sites.map(({ name, nodes }) => ({
      name: name as SiteName,
      platforms: {
        hosts: {
          ssh: { user: 'root', privateKey: { env: 'KEY' }, knownHosts: { env: 'HOSTS' } },
          machines: Object.fromEntries(nodes.map((node) => [node.name, { address: '127.0.0.1', port: node.port }])),
        },
      },
    })),
    initialActive: (world.sites[0]?.name ?? '') as SiteName,
    witness: { driver: 'memory', spec: {} },
    approval: { expiry: 3_600_000 },
    fencing: { switchover: 'database', failover: 'database' },
    objectives: { backupAge: 93_600_000, restoreTime: 1_800_000 },
    components: [component as unknown as Stack['components'][number]],
    source: { path: 'standby.yaml', directory: '.', digest: 'a'.repeat(64) },
  }
  const credentials: Readonly<Record<string, string>> = {
    PATRONI_USER: login.user,
    PATRONI_PASSWORD: login.password,
    ...(world.certified === null ? {} : pemsOf(world.certified)),
  }
  /** As ssh would run it on the machine of the member that is reached by this port. */
  const runnerTo = ({ port }: SshAccess): SshRunner => {
    const node = world.sites.flatMap(({ nodes }) => nodes).find((one) => one.port === port)
    if (node === undefined) throw new Error(`no machine has the port ${port}`)
    return {
      run: (command, stdin = '', deadline = 10_000) => world.on(node.name, command, { stdin, timeout: deadline }),
      close: async () => undefined,
    }
  }
  const hostsAt = (name: SiteName): HostsClient | null => {
    const site = stack.sites.find((one) => one.name === name)
    return site === undefined ? null : openHosts(site, { ssh: runnerTo, credential: async () => '' })
  }
  const refused = (what: string) => (): never => {
    throw new Error(`a step of this driver asks for ${what}`)
  }
  const contextUntil = (signal: AbortSignal): DriverContext =>
    ({
      stack,
      signal,
      clock: systemClock,
      log: silent,
      platform: (_key: unknown, site: SiteName) => hostsAt(site),
      credential: async (reference: { readonly env: string }) => credentials[reference.env] ?? '',
      http: (request: Parameters<typeof askOverHttp>[0]) => askOverHttp(request, [signal]),
      once: onceByKey(),
      records: { newest: async () => null },
      kubeconfig: refused('a kubeconfig'),
      objectStore: refused('an object store'),
      sql: refused('SQL of the core'),
      run: refused('a program'),
      ssh: refused('ssh'),
    }) as unknown as DriverContext
  const proofs = new Map<string, JsonObject>()

  function performed(step: DriverStep, intent: Intent, pastReturn = false) {
    const signal = AbortSignal.timeout(step.deadline)
    return {
      step: { id: idOfStep(component, step), phase: step.phase, parameters: step.parameters },
      component: component as never,
      site: step.site,
      intent,
      context: contextUntil(signal),
      signal,
      begunAt: new Date().toISOString(),
      applied: false,
      pastReturn,
      proofOf: <P>({ id }: { readonly id: string }) => (proofs.get(id) ?? null) as P | null,
    }
  }
  function behaviourOf(step: DriverStep): EngineBehaviour {
    const action = actions.find(({ name }) => name === step.action)
    if (action === undefined) throw new Error(`no action ${step.action}`)
    return action.behaviour as unknown as EngineBehaviour
  }
  function performer(step: DriverStep, intent: Intent, pastReturn = false): StepPerformer {
    const run = performed(step, intent, pastReturn)
    return stepPerformer(behaviourOf(step), run, {
      clock: systemClock,
      signal: run.signal,
      deadline: deadlineAfter(step.deadline),
      waiting: () => undefined,
      assertOurs: async () => undefined,
    })
  }
  /** The parts of a versioned behaviour, one by one: what two processes do in turn. */
  function versioned(step: DriverStep, intent: Intent): VersionedParts {
    const behaviour = behaviourOf(step)
    if (behaviour.is !== 'versioned') throw new Error(`${step.action} has no versions`)
    const run = { ...performed(step, intent), memory: { value: undefined, set: () => undefined } }
    return {
      done: () => behaviour.done(run),
      apply: (precondition) => behaviour.apply(run, precondition),
      invalidate: () => behaviour.invalidate(run),
    }
  }
  return {
    stack,
    component,
    context: contextUntil(new AbortController().signal),
    proofs,
    performer,
    versioned,
    async observe() {
      const seen = await Promise.all(
        stack.sites.map(
          async ({ name }) =>
            [name, await observePatroni(component, name, contextUntil(AbortSignal.timeout(10_000)))] as const,
        ),
      )
      return Object.fromEntries(seen)
    },
    async world(witness) {
      const signal = new AbortController().signal
      const store = witness ?? memoryStore()
      const isNew = witness === undefined
      if (isNew)
        await createActive(store, {
          schemaVersion: 1,
          stack: stack.name,
          epoch: 1,
          activeSite: stack.initialActive,
          since: new Date().toISOString(),
          run: 'deploy',
        })
      const context = { ...contextUntil(signal), records: recordsIn(store, silent) }
      const drivers = { patroni } as unknown as World['drivers']
      return mortal({
        stack,
        drivers,
        context,
        store,
        clock: systemClock,
        log: silent,
        signal,
        listener: () => undefined,
        observe: () => observe(context, store, drivers),
        findings: (observation, intent) => findingsOf(stack, observation, intent, drivers),
        close: async () => undefined,
      })
    },
    async perform(step, intent) {
      const one = performer(step, intent)
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
    async takeBack(step, intent) {
      const one = performer(step, intent)
      return one.takeBack().finally(() => one.close())
    },
  }
}

const silent = { info: () => undefined, warning: () => undefined, debug: () => undefined }

/** A process that can die: none of its calls is sent from then on, none of its questions is answered, and it sleeps. */
function mortal(world: World): World & { die(): void } {
  let isDead = false
  const never = new Promise<never>(() => undefined)
  const living =
    <Args extends readonly unknown[], T>(call: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      if (isDead) return never
      const answer = await call(...args)
      return isDead ? never : answer
    }
  const { store } = world
  const clock = { ...world.clock, sleep: living(world.clock.sleep) }
  return {
    ...world,
    die: () => {
      isDead = true
    },
    clock,
    context: { ...world.context, clock, http: living(world.context.http) },
    store: {
      stack: store.stack,
      get: living(store.get),
      create: living(store.create),
      replace: living(store.replace),
      getText: living(store.getText),
      createText: living(store.createText),
      list: living(store.list),
      time: living(store.time),
    },
  }
}
