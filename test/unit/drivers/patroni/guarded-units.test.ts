import { describe, expect, test } from '@jest/globals'
import { judged } from '../../../../src/drivers/patroni/guarded-units.ts'

const MEMBER = {
  name: 'pg-a1',
  cluster: 'shop on dc-a',
  runs: false,
  writes: false,
  hasData: true,
  stored: { says: 'primary', why: 'its store does not say that the site follows another one' },
  cached: 'unread',
} as const
const stored = (says: 'standby' | 'primary' | 'unread') => ({ stored: { says, why: says } })

describe('a stopped member of a site that is not active', () => {
  test('may start only where its store says that the site follows', () => {
    expect(judged({ ...MEMBER, ...stored('standby') })).toMatchObject({ is: 'passive', start: 'harmless' })
    expect(judged({ ...MEMBER, ...stored('primary') })).toMatchObject({ is: 'shut', start: 'opens' })
    expect(judged({ ...MEMBER, ...stored('unread') })).toMatchObject({ is: 'shut', start: 'unknown' })
  })
  test('is not let through by an old copy of the configuration', () => {
    expect(judged({ ...MEMBER, ...stored('primary'), cached: 'standby' }).start).toBe('opens')
    expect(judged({ ...MEMBER, ...stored('unread'), cached: 'standby' }).start).toBe('unknown')
  })
  test('may start where it has no data to diverge', () => {
    expect(judged({ ...MEMBER, hasData: false })).toMatchObject({ is: 'passive', start: 'harmless' })
  })
})

describe('a running member of a site that is not active', () => {
  const running = { ...MEMBER, runs: true }
  test('is open while PostgreSQL takes writes, whatever its store says', () => {
    for (const says of ['standby', 'primary', 'unread'] as const)
      expect(judged({ ...running, ...stored(says), writes: true }).is).toBe('open')
  })
  test('is open while Patroni may promote it: a replica of the former active site', () => {
    expect(judged({ ...running, ...stored('primary') }).is).toBe('open')
    expect(judged({ ...running, ...stored('unread'), cached: 'primary' }).is).toBe('open')
  })
  test('is left alone while it follows, also for the time in which its store is silent', () => {
    expect(judged({ ...running, ...stored('standby') }).is).toBe('passive')
    expect(judged({ ...running, ...stored('unread'), cached: 'standby' }).is).toBe('passive')
  })
  test('is not touched blindly', () => {
    expect(judged({ ...running, ...stored('unread') }).is).toBe('unknown')
  })
})
