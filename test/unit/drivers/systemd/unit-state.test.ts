import { describe, expect, test } from '@jest/globals'
import { variablesIn } from '../../../../src/drivers/systemd/environment-file.ts'
import { timeSpanIn } from '../../../../src/drivers/systemd/time-span.ts'
import { isShut, isStopped, startsAtBoot, unitsIn } from '../../../../src/drivers/systemd/unit-state.ts'
import { versionIn } from '../../../../src/drivers/systemd/version.ts'

const block = (more: Record<string, string> = {}): string =>
  Object.entries({
    // systemd prints properties in an order of its own.
    TimeoutStopUSec: '1min 30s',
    Result: 'success',
    NRestarts: '0',
    ControlGroup: '',
    TriggeredBy: '',
    LoadState: 'loaded',
    ActiveState: 'inactive',
    SubState: 'dead',
    UnitFileState: 'disabled',
    ...more,
  })
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')
const only = (more: Record<string, string>) => {
  const unit = unitsIn(`${block(more)}\n`, ['app'])?.app
  if (unit === undefined) throw new Error('no unit')
  return unit
}

describe('the state of a unit', () => {
  test('is read in the order of the arguments, whatever systemd calls a unit', () => {
    const shown = `${block({ ActiveState: 'active' })}\n\n${block()}\n`
    expect(Object.entries(unitsIn(shown, ['one', 'two']) ?? {}).map(([name, { active }]) => [name, active])).toEqual([
      ['one', 'active'],
      ['two', 'inactive'],
    ])
  })

  test.each(['', 'Failed to connect to bus', `${block()}\n\n${block()}`])(
    'is not read from something else: %j',
    (text) => expect(unitsIn(text, ['app'])).toBeNull(),
  )

  test.each([
    [{ ActiveState: 'inactive' }, true],
    [{ ActiveState: 'failed', Result: 'timeout' }, true],
    // A process is left, or systemd starts it again in a moment.
    [{ ActiveState: 'inactive', ControlGroup: '/system.slice/app.service' }, false],
    [{ ActiveState: 'activating', SubState: 'auto-restart' }, false],
    [{ ActiveState: 'deactivating', SubState: 'stop-sigterm' }, false],
    [{ ActiveState: 'active', ControlGroup: '/system.slice/app.service' }, false],
  ])('is stopped only where nothing runs and nothing will: %j', (properties, stopped) =>
    expect(isStopped(only(properties))).toBe(stopped),
  )

  test('is not shut while a start of it waits, or a boot begins it', () => {
    expect(isShut(only({}))).toBe(true)
    expect(isShut(only({ Job: '' }))).toBe(true)
    expect(isShut(only({ Job: '1234' }))).toBe(false)
    expect(isShut(only({ UnitFileState: 'enabled' }))).toBe(false)
    expect(isShut(only({ ActiveState: 'active' }))).toBe(false)
  })

  test.each([
    ['enabled', 'yes'],
    ['enabled-runtime', 'yes'],
    ['disabled', 'no'],
    ['masked', 'no'],
    ['static', 'by-others'],
    ['generated', 'by-others'],
  ])('%s: a boot starts it: %s', (UnitFileState, expected) =>
    expect(startsAtBoot(only({ UnitFileState }))).toBe(expected),
  )
})

test.each([
  ['1min 30s', 90_000],
  ['2s', 2_000],
  ['500ms', 500],
  ['1h 30min 2.5s', 5_402_500],
  ['infinity', null],
  ['', null],
])('a time span of systemd is read: %s', (text, expected) => expect(timeSpanIn(text)).toBe(expected))

test.each([
  [{ run: ['cat', 'version'] }, 'v1\n', 'v1'],
  [{ path: '/', answer: '/about/0/version' }, '{"about":[{"version":"v2"}]}', 'v2'],
  [{ path: '/', answer: '/version' }, '<html>', null],
  [{ path: '/', answer: '/version' }, '{"other":1}', null],
  [{ path: '/' }, '', null],
])('a version is found in what a host says: %j %j', (declared, said, expected) =>
  expect(versionIn(said, declared)).toBe(expected),
)

test('an environment file is read as systemd reads it', () => {
  const content = 'ONE=first\n# ONE=comment\n;TWO=x\n  ONE = no\nONE="a b"\nTWO=\'c"d\'\nTHREE= e \nFOUR\nFIVE="\n'
  expect(variablesIn(content)).toEqual({ ONE: 'a b', TWO: 'c"d', THREE: 'e', FIVE: '"' })
})
