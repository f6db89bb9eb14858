import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { Sandbox } from '../../../../src/domain/restore-test.ts'
import { tryCanary } from '../../../../src/drivers/systemd/canary.ts'
import { deployUnits } from '../../../../src/drivers/systemd/deploy.ts'
import { startStep } from '../../../../src/drivers/systemd/move/start.ts'
import { beforeOf, stopStep } from '../../../../src/drivers/systemd/move/stop.ts'
import type { SystemdState } from '../../../../src/drivers/systemd/observe.ts'
import { testRestored } from '../../../../src/drivers/systemd/restore-test.ts'
import type { Application } from '../../../../src/drivers/systemd/spec.ts'
import { emptyHostSandbox } from '../../../../src/platform/hosts/empty-sandbox.ts'
import { sandboxName } from '../../../../src/platform/hosts/sandbox-units.ts'
import { A, B, PROGRAM, SANDBOXES, type UnitsOnMachine, unitsOnMachine } from './on-a-machine.ts'

jest.setTimeout(120_000)

const switchover: Intent = { mode: 'switchover', from: A, to: B }
let at: UnitsOnMachine
beforeAll(async () => {
  at = await unitsOnMachine()
  at.machine.root(`cat >/opt/app.mjs <<'END'\n${PROGRAM}\nEND\necho 200 >/tmp/app.status; echo v1.2.3 >/opt/version`)
  at.unit('app', '/usr/local/bin/node /opt/app.mjs', ['Restart=always'])
}, 900_000)
afterAll(() => at.stop())
beforeEach(() => {
  at.warnings.length = 0
  at.commands.length = 0
})

const stateIn = (seen: Observed<SystemdState>): SystemdState => {
  if (seen.kind !== 'answering') throw new Error(`${seen.kind}: ${seen.why}`)
  return seen.state
}
const unitIn = (state: SystemdState, unit: string) => {
  const { app } = state.hosts
  return app?.is === 'answering' ? app.units[unit] : undefined
}
/** A stop as a move plans it. */
async function stopping(component: Application) {
  const state = stateIn(await at.observe(component, A))
  return stopStep(component, A, { phase: 'DRAIN', state, before: beforeOf(state) })
}
const application = (): Application =>
  at.component({
    units: { [A]: { app: ['app'] }, [B]: { app: ['app'] } },
    url: 'http://127.0.0.1:8080',
    health: { path: '/api/status' },
    version: { path: '/api/status', answer: '/version' },
    canary: {
      kind: 'infisical-secret',
      credentials: { clientId: { env: 'ID' }, clientSecret: { env: 'SECRET' } },
      project: { env: 'PROJECT' },
      environment: 'prod',
      name: 'CANARY',
      sha256: { env: 'SHA256' },
    },
  })

describe('an application as units of a real machine', () => {
  test('starts, is enabled and serves; its canary is read, and no credential stands in a command line', async () => {
    const component = application()
    expect(await at.observe(component, B)).toMatchObject({ kind: 'answering', role: 'passive', health: 'healthy' })
    expect(await at.perform(component, startStep(component, switchover, ['app']), switchover)).toEqual({
      hosts: ['app'],
      version: 'v1.2.3',
    })
    expect([at.property('app', 'ActiveState'), at.property('app', 'UnitFileState')]).toEqual(['active', 'enabled'])
    expect(await tryCanary(component, B, at.context)).toEqual({ outcome: 'decrypts', why: '' })
    expect(await at.observe(component, B)).toMatchObject({
      role: 'active',
      health: 'healthy',
      text: '1/1 hosts serve, v1.2.3',
      state: { canary: { is: 'works', by: 'read' } },
    })
    expect(at.commands.filter((line) => line.includes('of it') || line.includes('Bearer'))).toEqual([])
  })

  test('does not serve while its page of health says something else', async () => {
    at.machine.root('echo 503 >/tmp/app.status')
    expect(await at.observe(application(), B)).toMatchObject({ role: 'active', health: 'down' })
    at.machine.root('echo 200 >/tmp/app.status')
    expect(await at.observe(application(), B)).toMatchObject({ role: 'active', health: 'healthy' })
  })

  test('is stopped, and disabled so that no boot starts it; taken back it runs and is enabled again', async () => {
    const component = application()
    const step = await stopping(component)
    expect(await at.perform(component, step, switchover)).toEqual({ killed: [] })
    expect([at.property('app', 'ActiveState'), at.property('app', 'UnitFileState')]).toEqual(['inactive', 'disabled'])
    await at.takeBack(component, step, switchover)
    expect([at.property('app', 'ActiveState'), at.property('app', 'UnitFileState')]).toEqual(['active', 'enabled'])
  })

  test('is silent about its canary once it is stopped', async () => {
    const component = application()
    await at.perform(component, await stopping(component), switchover)
    expect(await tryCanary(component, A, at.context)).toMatchObject({ outcome: 'silent' })
  })

  test('that ignores SIGTERM is killed within TimeoutStopSec, and the step says so', async () => {
    at.unit('stubborn', `/bin/sh -c 'trap "" TERM; while :; do sleep 1; done'`, ['TimeoutStopSec=1'])
    at.machine.root('systemctl start stubborn')
    const component = at.component({ units: { [A]: { app: ['stubborn'] } } })
    const step = await stopping(component)
    expect(step.parameters).toEqual({ ran: { app: ['stubborn'] }, enabled: { app: [] } })
    expect(await at.perform(component, step, switchover)).toEqual({ killed: ['stubborn on app'] })
    // What was not enabled before is not enabled by the way back.
    await at.takeBack(component, step, switchover)
    expect([at.property('stubborn', 'ActiveState'), at.property('stubborn', 'UnitFileState')]).toEqual([
      'active',
      'disabled',
    ])
    at.machine.root('systemctl stop stubborn')
  })

  test('that leaves processes behind is not stopped before they are killed', async () => {
    at.unit('leaving', `/bin/sh -c 'sleep 86399 & exec sleep 86398'`, ['KillMode=process'])
    at.machine.root('systemctl enable --now leaving')
    const component = at.component({ units: { [A]: { app: ['leaving'] } } })
    const step = await stopping(component)
    // Stopped by other hands, with a process of it left: it still counts as running.
    at.machine.root('systemctl stop leaving')
    expect(unitIn(stateIn(await at.observe(component, A)), 'leaving')).toMatchObject({ active: 'inactive', left: true })
    expect(await at.perform(component, step, switchover)).toEqual({ killed: ['leaving on app'] })
    expect(at.machine.root('pgrep -fx "sleep 8639[89]" || echo none').trim()).toBe('none')
    expect(at.warnings).toEqual([expect.stringContaining('leaving on app')])
  })

  test('whose start waits for another unit is not taken for stopped: the step takes its start back', async () => {
    // As at the gate of a guard, or in a boot that is under way.
    at.unit('gate', `/bin/sh -c 'until [ -e /tmp/gate.open ]; do sleep 0.1; done'`, ['Type=oneshot'])
    at.unit('gated', '/bin/sleep 1000')
    at.machine.root(
      `mkdir -p /etc/systemd/system/gated.service.d; printf '[Unit]\\nRequires=gate.service\\nAfter=gate.service\\n' >/etc/systemd/system/gated.service.d/gate.conf; systemctl daemon-reload; systemctl enable gated; systemctl start --no-block gated`,
    )
    expect(at.property('gated', 'ActiveState')).toBe('inactive')
    const component = at.component({ units: { [A]: { app: ['gated'] } } })
    await at.perform(component, await stopping(component), switchover)
    at.machine.root(
      'touch /tmp/gate.open; for _ in $(seq 50); do [ "$(systemctl show -P ActiveState gate)" = activating ] || break; sleep 0.1; done; sleep 1',
    )
    expect([at.property('gated', 'ActiveState'), at.property('gated', 'Job')]).toEqual(['inactive', ''])
  })

  test('whose service a socket starts again is stopped with that socket', async () => {
    at.unit('woken', '/bin/sleep 1000')
    at.machine.root(
      `printf '[Socket]\\nListenStream=127.0.0.1:8999\\n[Install]\\nWantedBy=sockets.target\\n' >/etc/systemd/system/woken.socket; systemctl daemon-reload; systemctl enable --now woken.socket; systemctl start woken`,
    )
    const alone = at.component({ units: { [A]: { app: ['woken'] } } })
    expect(unitIn(stateIn(await at.observe(alone, A)), 'woken')?.triggeredBy).toEqual(['woken.socket'])
    const both = at.component({ units: { [A]: { app: ['woken.socket', 'woken'] } } })
    await at.perform(both, await stopping(both), switchover)
    expect([at.property('woken.socket', 'ActiveState'), at.property('woken', 'ActiveState')]).toEqual([
      'inactive',
      'inactive',
    ])
  })

  test('that needs what is not there yet is started again after it has used up its start limit', async () => {
    at.unit('early', `/bin/sh -c 'test -e /tmp/ready || exit 1; exec sleep 1000'`, ['Restart=always'])
    const component = at.component({ units: { [B]: { app: ['early'] } } })
    setTimeout(() => at.machine.root('touch /tmp/ready'), 5_000)
    expect(await at.perform(component, startStep(component, switchover, ['app']), switchover)).toMatchObject({
      hosts: ['app'],
    })
    expect(at.property('early', 'ActiveState')).toBe('active')
  })

  test('that does not stay up fails with the words of its journal', async () => {
    at.unit('broken', `/bin/sh -c 'echo no key opens this; exit 3'`, ['Restart=always'])
    const component = at.component({ units: { [B]: { app: ['broken'] } } })
    await expect(at.perform(component, startStep(component, switchover, ['app']), switchover)).rejects.toMatchObject({
      code: 'systemd-start-failed',
      message: expect.stringContaining('no key opens this'),
    })
  })

  test('compares keys by hashes that the host computes: quotes count for nothing, values stay there', async () => {
    at.machine.root(
      `umask 077; printf 'KEY="a value"\\nOTHER=x\\n# KEY=comment\\n' >/etc/one.env; printf 'KEY=first\\n  KEY=a value  \\nOTHER=y\\n' >/etc/two.env`,
    )
    const hashesOf = async (file: string) => {
      const component = at.component({
        units: { [A]: { app: ['app'] } },
        mustMatch: [{ file, keys: ['KEY', 'OTHER', 'ABSENT'] }],
      })
      const { app } = stateIn(await at.observe(component, A)).hosts
      return app?.is === 'answering' && app.secrets.is === 'read' ? Object.values(app.secrets.hashes) : null
    }
    const [one, two] = [await hashesOf('/etc/one.env'), await hashesOf('/etc/two.env')]
    expect(one?.[0]).toMatch(/^[0-9a-f]{16}$/)
    expect(one?.[0]).toBe(two?.[0])
    expect(one?.[1]).not.toBe(two?.[1])
    expect([one?.[2], two?.[2]]).toEqual([null, null])
    expect(await hashesOf('/etc/no-such.env')).toEqual([null, null, null])
  })

  test('is given its role by a deploy, which finds no difference afterwards', async () => {
    at.unit('role', '/bin/sleep 1000')
    at.unit('serving', '/bin/sleep 1000')
    at.machine.root('systemctl enable --now role')
    const component = at.component({ units: { [A]: { app: ['serving'] }, [B]: { app: ['role'] } } })
    const deployment = {
      activeSite: A,
      roleOf: (site: string) => (site === A ? 'active' : 'passive') as 'active' | 'passive',
      observed: {},
      epoch: 1,
      adopt: false,
    }
    const { signal } = at.context
    const unitOf = async (site: typeof A) => {
      const [unit] = await deployUnits(component, site, deployment, at.context)
      if (unit === undefined) throw new Error('no unit')
      return unit
    }
    // What runs there is all that serves.
    expect(await (await unitOf(B)).diff(signal)).toContainEqual(
      expect.objectContaining({ kind: 'refused', why: expect.stringContaining('the only one') }),
    )
    for (const site of [A, B]) {
      const unit = await unitOf(site)
      expect((await unit.diff(signal)).map(({ path }) => path)).toEqual(['ActiveState', 'UnitFileState'])
      await unit.apply(signal)
      expect(await unit.ready(signal)).toMatchObject({ is: 'done' })
      expect(await unit.diff(signal)).toEqual([])
    }
    expect([at.property('serving', 'ActiveState'), at.property('role', 'ActiveState')]).toEqual(['active', 'inactive'])
  })
})

describe('a restore test of the application', () => {
  const sandbox: Sandbox = {
    id: 't1',
    site: B,
    namespace: sandboxName('shop'),
    labels: {},
    deadline: 30_000,
    endpointOf: (name) =>
      name === 'database'
        ? { kind: 'postgres', host: '/run/copy', port: 5432, database: 'shop', user: 'owner', credentials: null }
        : null,
  }
  const tested = (run: readonly string[], environment: Readonly<Record<string, string>>) =>
    testRestored(
      {
        ...application(),
        spec: {
          ...application().spec,
          identity: { database: 'database', query: 'SELECT 1' },
          restoreTest: { run, environmentFile: '/etc/restored.env', environment, url: 'http://127.0.0.1:8080' },
        },
      },
      A,
      sandbox,
      at.context,
    )
  beforeAll(() => {
    const directory = `${SANDBOXES}/${sandboxName('shop')}`
    at.machine.root(
      `useradd --system --no-create-home --user-group standby-sandbox; mkdir -p ${directory}; touch ${directory}/.standby-sandbox; umask 077; printf 'STATUS="503"\\nKEY="of the site"\\n' >/etc/restored.env`,
    )
  })
  afterEach(async () => {
    const { clock, log, signal } = at.context
    const how = { clock, log, signal, deadline: 30_000, test: 't1' }
    await emptyHostSandbox(B, sandboxName('shop'), at.context, how)
  })
  const outcomes = (checks: readonly { readonly id: string; readonly outcome: string }[]) =>
    checks.map(({ id, outcome }) => [id, outcome])

  test('starts it in the sandbox beside nothing that serves, with the environment of the site and the restored copies', async () => {
    const program = ['/bin/sh', '-c', '[ "$KEY $DATABASE" = "of the site owner@/run/copy" ] && exec node /opt/app.mjs']
    const { checks } = await tested(program, {
      STATUS: '200',
      DATABASE: '${database.user}@${database.host}',
      PATH: '/usr/local/bin:/usr/bin:/bin',
    })
    expect(outcomes(checks)).toEqual([
      ['same-instance', 'pass'],
      ['starts', 'pass'],
      ['canary-decrypts', 'pass'],
    ])
  })

  test('fails with its own words where it refuses to start', async () => {
    const { checks } = await tested(['/bin/sh', '-c', 'echo this key opens nothing >&2; exit 1'], {})
    expect(outcomes(checks)).toEqual([
      ['same-instance', 'pass'],
      ['starts', 'fail'],
    ])
    expect(checks[1]?.found).toContain('this key opens nothing')
  })

  test('is not green where it never serves', async () => {
    const { checks } = await tested(['/usr/local/bin/node', '/opt/app.mjs'], {})
    expect(outcomes(checks)).toEqual([
      ['same-instance', 'pass'],
      ['starts', 'fail'],
    ])
    expect(checks[1]?.found).toContain('answers 503')
  })
})
