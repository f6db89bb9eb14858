import { describe, expect, test } from '@jest/globals'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import type { SeenUnit } from '../../../src/driver/guarded-units.ts'
import { closeMachine, type MachineDoor } from '../../../src/guard/close-machine.ts'

/** A machine with the units that are named, each in a state; what is done to them, in order. */
function toyMachine(states: Record<string, SeenUnit['is']>, more: Partial<MachineDoor> = {}) {
  const effects: string[] = []
  const lines: string[] = []
  const say = (line: string): void => void lines.push(line)
  const context = {
    signal: new AbortController().signal,
    clock: { now: () => new Date(), sleep: async () => new Promise((resolve) => setImmediate(resolve)) },
    log: { info: say, warning: say, debug: say },
  } as unknown as DriverContext
  const door: MachineDoor = {
    site: 'dc-a' as SiteName,
    context,
    identify: async () => ({ isDeclared: true, found: 'machine 1', declared: 'machine 1' }),
    units: Object.keys(states).map((name) => ({
      id: `${name}@dc-a/db-1`,
      service: `${name}.service`,
      look: async () => ({ is: states[name] ?? 'unknown', start: 'opens', why: `${name} is ${states[name]}` }),
    })),
    services: {
      close: async (service) => {
        effects.push(`stop ${service}`)
        states[service.replace('.service', '')] = 'shut'
      },
      kill: async (service) => void effects.push(`kill ${service}`),
    },
    ...more,
  }
  return { effects, lines, close: (mayClose = async () => true) => closeMachine(door, mayClose) }
}

describe('the guard of a machine', () => {
  test('stops what takes writes, and nothing that is passive or stopped already', async () => {
    const { close, effects } = toyMachine({ patroni: 'open', redis: 'passive', shop: 'shut' })
    expect(await close()).toEqual({
      closed: ['shop@dc-a/db-1', 'patroni@dc-a/db-1'],
      effects: ['patroni@dc-a/db-1'],
      open: [],
    })
    expect(effects).toEqual(['stop patroni.service'])
  })
  test('reports what it cannot observe as open, and does not touch it blindly', async () => {
    const { close, effects } = toyMachine({ patroni: 'unknown' })
    expect((await close()).open).toEqual([
      { what: 'patroni@dc-a/db-1', why: 'it cannot be observed: patroni is unknown' },
    ])
    expect(effects).toEqual([])
  })
  test('closes nothing on another machine than the declared one', async () => {
    const identify = async () => ({ isDeclared: false, found: 'machine 2', declared: 'machine 1' })
    const { close, effects } = toyMachine({ patroni: 'open' }, { identify })
    expect((await close()).open).toEqual([{ what: 'dc-a', why: 'this is machine 2, and declared is machine 1' }])
    expect(effects).toEqual([])
  })
  test('closes nothing of a site that has become active between its look and the effect', async () => {
    for (const allowed of [0, 1]) {
      const { close, effects } = toyMachine({ patroni: 'open' })
      let asked = 0
      await close(async () => asked++ < allowed)
      expect(effects).toEqual([])
    }
  })
  test('a unit that cannot be stopped keeps no other one open', async () => {
    const failing = async (service: string): Promise<void> => {
      if (service === 'patroni.service') throw new Error('systemd is busy')
      states.redis = 'shut'
    }
    const states: Record<string, SeenUnit['is']> = { patroni: 'open', redis: 'open' }
    const { close } = toyMachine(states, { services: { close: failing, kill: failing } })
    expect(await close()).toEqual({
      closed: ['redis@dc-a/db-1'],
      effects: ['redis@dc-a/db-1'],
      open: [{ what: 'patroni@dc-a/db-1', why: 'systemd is busy' }],
    })
  })
})
