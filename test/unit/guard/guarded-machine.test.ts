import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { DeployUnit } from '../../../src/driver/deployment.ts'
import { type GuardReport, reportOf } from '../../../src/guard/report.ts'
import { eventually } from '../../support/eventually.ts'
import { type GuardedMachine, POSTGRES_LOG, startGuardedMachine } from '../../support/guarded-machine.ts'

jest.setTimeout(600_000)

let world: GuardedMachine
let unit: DeployUnit
const { signal } = new AbortController()
const root = (command: string): string => world.machine.root(command).trim()
/** As PostgreSQL itself says it, when it begins to take writes. */
const writable = (): number => Number(root(`grep -c 'ready to accept connections' ${POSTGRES_LOG} || :`))
const listens = (port: number): boolean => root(`ss -Hltn 'sport = :${port}'`) !== ''
const report = (): GuardReport | null => reportOf(root('cat /run/standby-guard-shop/report.json 2>/dev/null || :'))
const guardSays = (): string => root('journalctl -b -o cat -u standby-guard-shop.service')
const etcd = (line: string): string => root(`ETCDCTL_API=3 etcdctl ${line}`)
/** Milliseconds that the last start of a service waited for its leave. */
const waitedAtGate = (service: string): number => {
  const times = root(
    `systemctl show --property=ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic --value 'standby-gate-shop@${service}'`,
  )
  const [begun = 0, ended = Number.POSITIVE_INFINITY] = times.split('\n').map(Number)
  return (ended - begun) / 1_000
}
/** Returns at once: while a command of `root` runs, this process, and with it the way to the witness, stands still. */
const startLater = (what: string): void => void root(`systemctl --no-block ${what}`)
const CONFIG = '/service/shop/config'
const follows = (): void => {
  const config = { ttl: 20, loop_wait: 2, retry_timeout: 3, standby_cluster: { host: '192.0.2.2', port: 5432 } }
  etcd(`put ${CONFIG} '${JSON.stringify(config)}'`)
}
const leads = (): void => {
  etcd(`put ${CONFIG} '${JSON.stringify({ ttl: 20, loop_wait: 2, retry_timeout: 3 })}'`)
}
/** A machine that is booting does not answer yet. */
const until = async (what: string, holds: () => boolean): Promise<void> => {
  try {
    await eventually(
      what,
      async () => {
        try {
          return holds()
        } catch {
          return false
        }
      },
      150_000,
    )
  } catch (error) {
    throw new Error(`${String(error)}\n${said()}`)
  }
}
const said = (): string => {
  try {
    return `${JSON.stringify(report())}\n${guardSays().slice(-2_000)}`
  } catch (error) {
    return `the machine does not answer: ${String(error)}`
  }
}

beforeAll(async () => {
  world = await startGuardedMachine()
  await until('the first primary', () => writable() === 1)
}, 900_000)
afterAll(async () => {
  await world?.close()
})

describe('a deploy', () => {
  test('installs the guard, which has each guarded unit require its gate, and changes nothing the second time', async () => {
    unit = await world.deploy()
    expect((await unit.diff(signal)).map(({ kind }) => kind)).toContain('create')
    await unit.apply(signal)
    await eventually('the new guard to report', async () => (await unit.ready(signal)).is === 'done')
    expect(await unit.diff(signal)).toEqual([])
    expect(report()).toMatchObject({ decision: 'stand-by', because: 'active' })
    expect(report()?.gatesMissing).toBeUndefined()
    for (const service of ['patroni', 'redis-server'])
      expect(root(`systemctl show --property=Requires --value ${service}`)).toContain(
        `standby-gate-shop@${service}.service`,
      )
    expect(root('systemctl is-active patroni redis-server')).toBe('active\nactive')
  })
})

describe('the active site', () => {
  test('opens again after a power cut, within one reading of the witness', async () => {
    const before = writable()
    await world.machine.cutPower()
    await world.machine.boot()
    await until('PostgreSQL to take writes', () => writable() === before + 1)
    expect(guardSays()).toContain('lets patroni.service start: the site is proven active')
    // The guard starts beside the gate, and reads the witness once.
    expect(waitedAtGate('patroni')).toBeLessThan(10_000)
  })
})

describe('a site that is not active any more', () => {
  test('a running primary and a Redis master are stopped, and kept from starting', async () => {
    await world.name('dc-b')
    await until('both servers to stop', () => !listens(5432) && !listens(6379))
    await until('two closed units in the report', () => report()?.closed.length === 2)
    expect(root('systemctl is-enabled patroni redis-server || :')).toBe('disabled\ndisabled')
    expect([...(report()?.closed ?? [])].sort()).toEqual(['cache.redis-server@dc-a/db-1', 'database.patroni@dc-a/db-1'])
  })
  test('is opened by no hand while it could take writes', async () => {
    const before = writable()
    startLater('start patroni redis-server')
    for (const service of ['patroni', 'redis-server'])
      await until(`the refusal of ${service}`, () => guardSays().includes(`does not let ${service}.service start`))
    await until('the end of both starts', () => root('systemctl list-jobs --no-legend') === '')
    expect([writable(), listens(5432), listens(6379)]).toEqual([before, false, false])
  })
  test('is started by a rejoin, once its store and its files say that it follows', async () => {
    const before = writable()
    follows()
    root("echo 'replicaof 192.0.2.2 6379' >>/etc/redis/redis.conf")
    root('systemctl enable --quiet patroni redis-server')
    startLater('start patroni redis-server')
    await until('both servers to listen', () => listens(5432) && listens(6379))
    expect(writable()).toBe(before)
    await until('nothing closed in the report', () => report()?.closed.length === 0)
  })
  test('comes up as a passive site after a boot, also while the witness is silent', async () => {
    const before = writable()
    world.witnessAnswers = false
    await world.machine.cutPower()
    await world.machine.boot()
    await until('both servers to listen', () => listens(5432) && listens(6379))
    expect(writable()).toBe(before)
  })
})

describe('a site that was lost as a primary', () => {
  test('takes no write after its return: PostgreSQL is not even started', async () => {
    // It is active, takes writes, and loses its power; another site takes over meanwhile.
    world.witnessAnswers = true
    await world.name('dc-a')
    const before = writable()
    leads()
    root("sed -i '/^replicaof/d' /etc/redis/redis.conf")
    startLater('restart redis-server')
    await until('PostgreSQL to take writes', () => writable() === before + 1)
    await world.machine.cutPower()
    await world.name('dc-b')
    await world.machine.boot()
    await until('two closed units in the report', () => report()?.closed.length === 2)
    await until('the refusal in the log', () => /does not let patroni.service start/.test(guardSays()))
    await new Promise((resolve) => setTimeout(resolve, 8_000))
    expect([writable(), listens(5432), listens(6379)]).toEqual([before + 1, false, false])
    expect(root('systemctl is-active patroni || :')).toBe('inactive')
  })
  test('stays closed while the witness is silent, and opens once it is proven active', async () => {
    const before = writable()
    world.witnessAnswers = false
    await world.machine.cutPower()
    await world.machine.boot()
    await until('the silence to count', () => report()?.because === 'not-proven')
    expect([writable(), listens(5432), listens(6379)]).toEqual([before, false, false])
    await world.name('dc-a')
    world.witnessAnswers = true
    await until('PostgreSQL to take writes', () => writable() === before + 1)
    await until('Redis to listen', () => listens(6379))
  })
  test('is closed by a guard that was killed and came back', async () => {
    root('systemctl kill --signal=KILL standby-guard-shop')
    await world.name('dc-b')
    await until('both servers to stop', () => !listens(5432) && !listens(6379))
  })
})
