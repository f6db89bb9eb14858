import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { systemClock } from '../../../src/composition/connect.ts'
import type { SeenUnit } from '../../../src/driver/guarded-units.ts'
import type { Decision } from '../../../src/guard/decide.ts'
import { keepGates } from '../../../src/guard/gate-units.ts'
import { serveGate, verdictOf } from '../../../src/guard/start-gate.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const unit = (start: SeenUnit['start']): SeenUnit => ({ is: 'shut', start, why: 'w' })
const ACTIVE = { do: 'stand-by', because: 'active' } as Decision
const ANOTHER: Decision = { do: 'close', because: 'not-active' }

describe('a start that waits at a gate', () => {
  const of = (decision: Decision, start: SeenUnit['start']): string => verdictOf(decision, unit(start)).is
  test('is let through on a site that is proven active, whatever it does', () => {
    for (const start of ['harmless', 'opens', 'unknown'] as const)
      for (const because of ['active', 'active-and-silent'] as const)
        expect(of({ do: 'stand-by', because }, start)).toBe('open')
  })
  test('is let through on any site where it takes no write, without any word of the witness', () => {
    for (const decision of [
      ANOTHER,
      { do: 'stand-by', because: 'not-proven-yet' },
      { do: 'close', because: 'not-proven' },
    ] as const)
      expect(of(decision, 'harmless')).toBe('open')
  })
  test('is refused where another site is active, and it would take writes', () => {
    expect(of(ANOTHER, 'opens')).toBe('shut')
  })
  test('waits as long as nothing is proven', () => {
    expect(of(ANOTHER, 'unknown')).toBe('wait')
    for (const decision of [
      { do: 'stand-by', because: 'not-proven-yet' },
      { do: 'close', because: 'not-proven' },
      { do: 'close', because: 'silent-too-long' },
    ] as const)
      for (const start of ['opens', 'unknown'] as const) expect(of(decision, start)).toBe('wait')
  })
})

function folderOfGate(): string {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'asks'))
  return folder
}

describe('the gate of a machine', () => {
  function served(decide: () => Decision | Promise<Decision>, seen: () => SeenUnit, folder = folderOfGate()) {
    const ending = new AbortController()
    let decided = 0
    const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }
    const units = ['patroni.service', 'redis.service'].map((service) => ({
      id: `${service}@dc-a/db-1`,
      service,
      look: async () => seen(),
    }))
    const decideOnce = async (): Promise<Decision> => {
      decided += 1
      return decide()
    }
    const ended = serveGate({ folder, units, log, clock: systemClock }, decideOnce, ending.signal)
    return {
      ask: (mark: string, service = 'patroni.service') => writeFileSync(join(folder, 'asks', service), `${mark}\n`),
      answer(service = 'patroni.service') {
        const path = join(folder, 'answers', service)
        return existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
      },
      decisions: () => decided,
      async end() {
        ending.abort()
        await ended
      },
    }
  }

  test('answers each start by a decision that was made after it asked, and repeats its mark', async () => {
    let decision: Decision = ACTIVE
    const gate = served(
      () => decision,
      () => unit('opens'),
    )
    gate.ask('first')
    await eventually('the first answer', async () => gate.answer().startsWith('first open '))
    decision = ANOTHER
    gate.ask('second')
    await eventually('the second answer', async () => gate.answer().startsWith('second shut '))
    expect(gate.decisions()).toBe(2)
    await gate.end()
  })
  test('reads the witness once for all starts that wait: the closing of the machine waits for each reading', async () => {
    const folder = folderOfGate()
    for (const service of ['patroni.service', 'redis.service']) writeFileSync(join(folder, 'asks', service), 'first')
    const gate = served(
      () => ACTIVE,
      () => unit('opens'),
      folder,
    )
    for (const service of ['patroni.service', 'redis.service'])
      await eventually('the answer', async () => gate.answer(service).startsWith('first open '))
    expect(gate.decisions()).toBe(1)
    await gate.end()
  })
  test('judges a start that waits again, until it is proven', async () => {
    let decision: Decision = { do: 'stand-by', because: 'not-proven-yet' }
    const gate = served(
      () => decision,
      () => unit('opens'),
    )
    gate.ask('first')
    await eventually('a word while it waits', async () => gate.answer().startsWith('first wait '))
    decision = ACTIVE
    await eventually('the answer', async () => gate.answer().startsWith('first open '))
    await gate.end()
  })
  test('lets a start that takes no write through while the witness does not answer', async () => {
    const gate = served(
      () => new Promise<Decision>(() => undefined),
      () => unit('harmless'),
    )
    gate.ask('first')
    await eventually('the answer', async () => gate.answer().startsWith('first open '))
    await gate.end()
  })
  test('does not end its guard while its folder cannot be read: it serves once it can', async () => {
    const folder = join(temporaryFolder(), 'run')
    writeFileSync(folder, 'a file')
    const gate = served(
      () => ACTIVE,
      () => unit('opens'),
      folder,
    )
    rmSync(folder)
    mkdirSync(join(folder, 'asks'), { recursive: true })
    gate.ask('first')
    await eventually('the answer', async () => gate.answer().startsWith('first open '))
    await gate.end()
  })
  test('asks nothing of a unit that the stack file does not declare any more', async () => {
    const gate = served(
      () => ANOTHER,
      () => unit('opens'),
    )
    gate.ask('first', 'other.service')
    await eventually('the answer', async () => gate.answer('other.service').startsWith('first open '))
    expect(gate.decisions()).toBe(0)
    await gate.end()
  })
})

describe('the units of a machine', () => {
  const manager = (units: string, knows = true) => {
    const calls: string[] = []
    return {
      calls,
      reload: async () => void calls.push('reload'),
      requiredBy: async (service: string) => {
        const path = join(units, `${service}.d`, 'standby-gate-shop.conf')
        return knows && existsSync(path) ? [/^Requires=(.*)$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? ''] : []
      },
    }
  }
  test('require their gates, which are written once', async () => {
    const units = temporaryFolder()
    const systemd = manager(units)
    for (let times = 0; times < 2; times += 1)
      expect(await keepGates('shop', ['patroni.service'], systemd, units)).toEqual([])
    expect(systemd.calls).toEqual(['reload'])
    expect(await systemd.requiredBy('patroni.service')).toEqual(['standby-gate-shop@patroni.service'])
  })
  test('have no gate where they start a service that has one: a socket, a timer, a path', async () => {
    const units = temporaryFolder()
    expect(await keepGates('shop', ['shop.socket', 'shop.service'], manager(units), units)).toEqual([])
    expect(readdirSync(units)).toEqual(['shop.service.d'])
  })
  test('lose a gate that is not declared any more', async () => {
    const units = temporaryFolder()
    const systemd = manager(units)
    await keepGates('shop', ['patroni.service', 'redis-server.service'], systemd, units)
    expect(await keepGates('shop', ['patroni.service'], systemd, units)).toEqual([])
    expect(await systemd.requiredBy('redis-server.service')).toEqual([])
  })
  test('without an effective gate are named', async () => {
    const units = temporaryFolder()
    expect(await keepGates('shop', ['patroni.service'], manager(units, false), units)).toEqual([
      { what: 'patroni.service', why: 'it does not require standby-gate-shop@patroni.service' },
    ])
  })
})
