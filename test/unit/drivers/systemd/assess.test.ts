import { describe, expect, test } from '@jest/globals'
import { asDriversKnow, type Finding, type Intent } from '../../../../src/domain/plan.ts'
import type { Site, SiteName, Stack } from '../../../../src/domain/stack.ts'
import { assessment } from '../../../../src/drivers/systemd/assess.ts'
import { changesOf } from '../../../../src/drivers/systemd/deploy.ts'
import { fenceSteps, moves } from '../../../../src/drivers/systemd/move/moves.ts'
import { type AnsweringHost, type HostSeen, summarized } from '../../../../src/drivers/systemd/observe.ts'
import { type Application, applicationProblems, type SystemdSpec } from '../../../../src/drivers/systemd/spec.ts'
import type { UnitSeen } from '../../../../src/drivers/systemd/unit-state.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const [A, B, C] = ['dc-a', 'dc-b', 'dc-c'] as SiteName[] as [SiteName, SiteName, SiteName]
const siteNamed = (name: SiteName): Site => ({
  name,
  platforms: {
    hosts: {
      ssh: { user: 'standby', privateKey: { env: 'KEY' }, knownHosts: { env: 'KNOWN' } },
      machines: { one: { address: '192.0.2.1' }, two: { address: '192.0.2.2' } },
    },
  },
})
const stack: Stack = { ...toyStack, sites: [A, B, C].map(siteNamed) }
const component = (more: Partial<SystemdSpec> = {}): Application => ({
  name: 'application',
  driver: 'systemd',
  needs: [],
  spec: {
    units: { [A]: { one: ['app'], two: ['app'] }, [B]: { one: ['app'], two: ['app'] }, [C]: { one: ['app'] } },
    ...more,
  },
})

const unit = (more: Partial<UnitSeen> = {}): UnitSeen => ({
  load: 'loaded',
  active: 'inactive',
  sub: 'dead',
  result: 'success',
  restarts: 0,
  file: 'disabled',
  triggeredBy: [],
  stopsWithin: 90_000,
  left: false,
  queued: false,
  ...more,
})
const UP = unit({ active: 'active', sub: 'running', file: 'enabled' })
const host = (app: UnitSeen, more: Partial<AnsweringHost> = {}): AnsweringHost => ({
  is: 'answering',
  units: { app },
  unhealthy: null,
  version: null,
  secrets: { is: 'read', hashes: {} },
  ...more,
})
const SILENT: HostSeen = { is: 'silent', why: 'no route to host' }

type Hosts = Readonly<Record<string, HostSeen>>
const well: Readonly<Record<string, Hosts>> = {
  [A]: { one: host(UP), two: host(UP) },
  [B]: { one: host(unit()), two: host(unit()) },
  [C]: { one: host(unit()) },
}
const statesOf = (hosts: Readonly<Record<string, Hosts>>) =>
  Object.fromEntries(Object.entries(hosts).map(([site, one]) => [site, summarized(component(), site, { hosts: one })]))
const around = { now: '2026-11-30T12:00:00Z', objectives: stack.objectives, activeSite: A, stack }
const switchover: Intent = { mode: 'switchover', from: A, to: B }
const failover: Intent = { mode: 'failover', from: A, to: B }

const status = (hosts: Partial<typeof well>): readonly Finding[] =>
  assessment.status(component(), statesOf({ ...well, ...hosts } as typeof well), around)
const ofMove = (intent: Intent, hosts: Partial<typeof well>): readonly Finding[] =>
  assessment.moves?.[asDriversKnow(intent).mode]?.(
    component(),
    statesOf({ ...well, ...hosts } as typeof well),
    intent,
    around,
  ) ?? []
const codesOf = (findings: readonly Finding[]) => findings.map(({ code, severity, site }) => [code, severity, site])

describe('the status of units', () => {
  test('is quiet where each site has its role', () => expect(status({})).toEqual([]))

  test.each([
    ['runs on a passive site', B, host(UP), ['systemd-unit-runs', 'systemd-unit-at-boot']],
    ['would be started by a boot there', B, host(unit({ file: 'enabled' })), ['systemd-unit-at-boot']],
    ['has processes left there', B, host(unit({ left: true })), ['systemd-unit-runs']],
    ['is down on the active site', A, host(unit({ active: 'failed', file: 'enabled' })), ['systemd-unit-down']],
    ['is not healthy there', A, host(UP, { unhealthy: '/ answers 503' }), ['systemd-unit-down']],
    ['would not be started by a boot there', A, host({ ...UP, file: 'disabled' }), ['systemd-unit-at-boot']],
    ['is not installed', B, host(unit({ load: 'not-found', file: '' })), ['systemd-unit-missing']],
    ['is masked', B, host(unit({ load: 'masked', file: 'masked' })), ['systemd-unit-missing']],
    ['is woken by a socket', B, host(unit({ triggeredBy: ['app.socket'] })), ['systemd-unit-started-by-others']],
    ['has no [Install]', B, host(unit({ file: 'static' })), ['systemd-unit-started-by-others']],
    [
      'has keys that cannot be read',
      B,
      host(unit(), { secrets: { is: 'unread', why: 'sudo' } }),
      ['systemd-secrets-unread'],
    ],
  ])('says that a unit %s', (_, site, one, expected) => {
    const found = status({ [site]: { one, two: host(site === A ? UP : unit()) } })
    expect(codesOf(found)).toEqual(expected.map((code) => [code, 'warning', site]))
  })

  test('names no socket that is declared before its service', () => {
    const spec = { units: { [A]: { one: ['app.socket', 'app'] } } }
    const woken = host(UP)
    const units = { 'app.socket': UP, app: { ...UP, triggeredBy: ['app.socket'] } }
    const states = { [A]: summarized(component(spec), A, { hosts: { one: { ...woken, units } } }) }
    expect(assessment.status(component(spec), states, around)).toEqual([])
  })

  test('compares keys over all hosts, also those of one site', () => {
    const hashes = (key: string) => host(UP, { secrets: { is: 'read', hashes: { 'KEY in /etc/app.env': key } } })
    const found = status({ [A]: { one: hashes('aa'), two: hashes('bb') } })
    expect(found).toEqual([
      expect.objectContaining({
        code: 'secret-differs',
        what: 'KEY in /etc/app.env is not the same on dc-a (one) and dc-a (two) and dc-b (one) and dc-b (two) and dc-c (one)',
      }),
    ])
  })
})

describe('a switchover', () => {
  test.each([
    ['a host of the new site is silent', { [B]: { one: host(unit()), two: SILENT } }, 'systemd-host-silent', B],
    ['a host of the old site is silent', { [A]: { one: host(UP), two: SILENT } }, 'systemd-host-silent', A],
    [
      'the new site lacks a unit',
      { [B]: { one: host(unit()), two: host(unit({ load: 'not-found' })) } },
      'systemd-unit-missing',
      B,
    ],
    ['the active site does not serve', { [A]: { one: host(UP), two: host(unit()) } }, 'systemd-unit-down', A],
  ])('is refused where %s', (_, hosts, code, site) => {
    const blockers = ofMove(switchover, hosts).filter(({ severity }) => severity === 'blocker')
    expect(codesOf(blockers)).toEqual([[code, 'blocker', site]])
  })

  test('is refused between two versions, and a failover warns of them', () => {
    const hosts = {
      [A]: { one: host(UP, { version: 'v2' }), two: host(UP, { version: 'v2' }) },
      [B]: { one: host(unit(), { version: 'v1' }) },
    }
    expect(codesOf(ofMove(switchover, hosts))).toContainEqual(['application-versions-differ', 'blocker', undefined])
    expect(codesOf(ofMove(failover, hosts))).toContainEqual(['application-versions-differ', 'warning', undefined])
  })
})

describe('a failover', () => {
  const half = { [B]: { one: host(unit()), two: SILENT } }

  test('leaves out a silent host of its new site, and starts the others', () => {
    expect(ofMove(failover, half).filter(({ severity }) => severity === 'blocker')).toEqual([])
    const steps = moves.failover?.(component(), statesOf({ ...well, ...half }), failover, stack) ?? []
    expect(steps.find(({ action }) => action === 'start')?.parameters).toEqual({ hosts: ['one'] })
  })

  test('is refused where no host of its new site can start the application', () => {
    const none = { [B]: { one: SILENT, two: host(unit({ load: 'not-found' })) } }
    const blockers = ofMove(failover, none).filter(({ severity }) => severity === 'blocker')
    expect(codesOf(blockers)).toEqual([
      ['systemd-host-silent', 'blocker', B],
      ['systemd-unit-missing', 'blocker', B],
    ])
  })

  const fences = (hosts: Hosts) => fenceSteps(component(), statesOf({ ...well, [A]: hosts }), failover)
  test('fences a lost site of which a host still answers', () => {
    expect(fences({ one: host(UP), two: SILENT })).toMatchObject([
      { action: 'stop', site: A, phase: 'FENCE', fence: 'application', parameters: { ran: { one: ['app'] } } },
    ])
  })
  test('fences one that is stopped and would be started by a boot', () => {
    expect(fences({ one: host(unit({ file: 'enabled' })), two: host(unit()) })).toHaveLength(1)
  })
  test('fences one of which a silent host may run it', () => {
    expect(fences({ one: host(unit()), two: SILENT })).toHaveLength(1)
  })
  test('needs no fence where every host says that nothing runs or will', () => {
    expect(fences({ one: host(unit()), two: host(unit()) })).toEqual([])
  })
})

test('a stop waits as long as its units may take, one after another', () => {
  const slow = { one: host({ ...UP, stopsWithin: 240_000 }), two: host(UP) }
  const [, stop] = moves.switchover?.(component(), statesOf({ ...well, [A]: slow }), switchover, stack) ?? []
  expect(stop).toMatchObject({ action: 'stop', deadline: 300_000 })
})

test('a deploy finds nothing to do where a unit is as its role says, and disables no unit without [Install]', () => {
  const at = { site: B, name: 'one', units: ['app'] }
  expect(changesOf(at, host(unit({ file: 'static' })), 'passive')).toEqual([])
  expect(changesOf(at, host(UP), 'active')).toEqual([])
  expect(changesOf(at, host(UP), 'passive').map(({ path, to }) => [path, to])).toEqual([
    ['ActiveState', 'inactive'],
    ['UnitFileState', 'disabled'],
  ])
})

describe('a declaration', () => {
  const problems = (more: Partial<SystemdSpec>) =>
    applicationProblems(component(more), stack).map(({ path, what }) => [path.join('.'), what])

  test('is refused for a host that its site does not have', () => {
    expect(problems({ units: { [A]: { three: ['app'] } } })).toEqual([
      ['units.dc-a.three', 'dc-a declares no host three; there are one, two'],
    ])
  })
  test('is refused where it asks an application that has no address', () => {
    expect(problems({ health: { path: '/' } })).toEqual([['health', expect.stringContaining('url does not say')]])
    expect(problems({ health: { path: '/' }, url: 'http://{address}' })).toEqual([])
  })
  test('is refused for a placeholder that nothing fills', () => {
    expect(problems({ url: 'http://{host}:80' })).toEqual([['url', expect.stringContaining('{host}')]])
  })
  test('is refused for a database that no component is', () => {
    expect(problems({ identity: { database: 'nowhere', query: 'SELECT 1' } })).toEqual([
      ['identity.database', 'no component nowhere is declared'],
    ])
  })
})
