import type { SiteName } from '../../src/domain/stack.ts'
import type { DriverContext } from '../../src/driver/context.ts'
import type { PlatformKey } from '../../src/driver/platform-key.ts'
import { asStandbyError, siteError } from '../../src/errors/standby-error.ts'

/**
 * What befalls call number `call` of a step, counted from 1. `lost-question`: it fails before it has any effect.
 * `lost-answer`: it has its effect, and fails. `conflict`: another writer was faster. `death`: the process ends before
 * the call, `death-after`: when its effect has come about. `silence`: it is not answered, nor is any call after it.
 */
export interface Fault {
  readonly call: number
  readonly is: 'lost-question' | 'lost-answer' | 'conflict' | 'death' | 'death-after' | 'silence'
}

export interface FaultyContext {
  readonly context: DriverContext
  /** Aborted when the process ends. */
  readonly signal: AbortSignal
  /** How many calls were made so far. */
  calls(): number
}

/** The context of a world, in which every call to a server, a host or a program is counted and may fail. */
export function withFault(context: DriverContext, fault: Fault | null): FaultyContext {
  let count = 0
  const process = new AbortController()
  const through = async <T>(perform: () => Promise<T>): Promise<T> => {
    process.signal.throwIfAborted()
    count += 1
    if (fault?.is === 'silence' && count >= fault.call) throw failure('transient', 'no answer')
    if (fault?.call !== count) return perform()
    // What comes of it is not heard.
    if (fault.is === 'lost-answer' || fault.is === 'death-after') await perform().catch(() => undefined)
    if (fault.is === 'conflict') throw failure('conflict', 'another writer was faster')
    if (fault.is === 'death' || fault.is === 'death-after') process.abort(failure('never', 'the process ends here'))
    throw failure('transient', fault.is)
  }
  return {
    calls: () => count,
    signal: process.signal,
    context: {
      ...context,
      signal: process.signal,
      http: (...asked) => through(() => context.http(...asked)),
      askSql: (...asked) => through(() => context.askSql(...asked)),
      run: (...asked) => through(() => context.run(...asked)),
      sql: (...asked) => through(() => context.sql(...asked)),
      platform: <Client>(key: PlatformKey<Client>, site: SiteName): Client =>
        eachMethod(context.platform(key, site) as object, through) as Client,
      ssh: (...asked) => {
        const runner = context.ssh(...asked)
        return { run: (...line) => through(() => runner.run(...line)), close: () => runner.close() }
      },
      objectStore: (...asked) => {
        const { location, open } = context.objectStore(...asked)
        return { location, open: async (...how) => eachMethod(await open(...how), through) }
      },
    },
  }
}

/** A stream of changes. A step must not need it: it asks again when nothing is said. */
const WATCHES = new Set<string | symbol>(['watch', 'watchAll'])

/** The same client, each of whose questions and effects goes through. */
function eachMethod<Client extends object>(
  client: Client,
  through: <T>(perform: () => Promise<T>) => Promise<T>,
): Client {
  return new Proxy(client, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' && !WATCHES.has(name)
        ? (...given: unknown[]) => through(async () => (await Reflect.apply(member, target, given)) as unknown)
        : member
    },
  })
}

const failure = (retry: 'transient' | 'conflict' | 'never', what: string) =>
  siteError('ssh-unreachable', what, { retry })

/**
 * The same context, which notes each call that the isolation of a failover refuses, whatever its caller makes of it.
 */
export function notingRefusals(context: DriverContext, touched: string[]): DriverContext {
  const noted = (error: unknown): unknown => {
    const { code, message } = asStandbyError(error)
    if (code === 'lost-site-touched') touched.push(message)
    return error
  }
  const noting = <Given extends unknown[], Result>(ask: (...given: Given) => Result): ((...given: Given) => Result) => {
    const caught = (error: unknown): never => {
      throw noted(error)
    }
    return (...given) => {
      try {
        const result = ask(...given)
        return result instanceof Promise ? (result.catch(caught) as Result) : result
      } catch (error) {
        return caught(error)
      }
    }
  }
  return {
    ...context,
    platform: <Client>(key: PlatformKey<Client>, site: SiteName): Client => noting(() => context.platform(key, site))(),
    kubeconfig: noting(context.kubeconfig),
    credential: noting(context.credential),
    sql: noting(context.sql),
    http: noting(context.http),
    askSql: noting(context.askSql),
    run: noting(context.run),
    ssh: noting(context.ssh),
    objectStore: noting(context.objectStore),
  }
}
