import { quoted } from '../../../src/driver/manual.ts'
import type { MoveVerdict } from '../../../src/evidence/operation.ts'
import { guardService } from '../../../src/guard/names.ts'
import type { OutageKind } from '../../outage.ts'
import { type HostName, type MachineName, machinesOf, type SiteName } from '../../topology.ts'
import type { CrashPoint } from '../cases.ts'
import { shiftedClock } from './shifted-clock.ts'

/** The sites and machines of a case, by the part that each has when the case begins. */
export interface Scene {
  readonly from: SiteName
  readonly to: SiteName
  /** The site that is neither end. */
  readonly third: SiteName
  /** The machine of the primary of the site that is left. */
  readonly primary: MachineName
  /** The machine of its other member. */
  readonly replica: MachineName
  /** The machine with the leader of its store. */
  readonly storeLeader: MachineName
}

/** What goes wrong: hosts are lost, or a command on machines does harm, which another command ends. */
export type MachinesTrouble =
  | { readonly is: 'outage'; readonly how: OutageKind; hosts(scene: Scene): readonly HostName[] }
  | { readonly is: 'command'; readonly begins: string; readonly ends: string; on(scene: Scene): readonly MachineName[] }

export interface MachinesCase {
  readonly name: string
  readonly mode: 'switchover' | 'failover'
  readonly troubles: readonly MachinesTrouble[]
  /** The line of the move at which it begins; null: before the move is planned. */
  readonly at: CrashPoint | null
  /**
   * How the move may end. Whatever it is, nothing that was acknowledged is lost, and one site takes writes at a time.
   */
  readonly ends: readonly MoveVerdict[]
  /** Sites that rejoin after a failover, one after another. Default: the one that was lost. */
  readonly rejoins?: (scene: Scene) => readonly SiteName[]
  /** By how much the clock of the runner is wrong; milliseconds. */
  readonly runnerClock?: number
}

const lost = (how: OutageKind, hosts: (scene: Scene) => readonly HostName[]): MachinesTrouble => ({
  is: 'outage',
  how,
  hosts,
})
const DRAIN: CrashPoint = { phase: 'DRAIN', at: 'begins' }
const FENCE: CrashPoint = { phase: 'FENCE', at: 'begins' }
const MINUTE = 60_000
/** Of the published stack. */
const GUARD = guardService('infisical')
const withoutSentinels = (sites: (scene: Scene) => readonly SiteName[]): MachinesTrouble => ({
  is: 'command',
  begins: 'sudo systemctl stop redis-sentinel',
  ends: 'sudo systemctl start redis-sentinel',
  on: (scene) => sites(scene).map((site): MachineName => `${site}-app`),
})
/** Systemd reads a percent sign as the beginning of a name. */
const guardClocks = (byMs: number, on: (scene: Scene) => readonly MachineName[]): MachinesTrouble => {
  const folder = `/etc/systemd/system/${GUARD}.d`
  const setting = `Environment="NODE_OPTIONS=${shiftedClock(byMs).replaceAll('%', '%%')}"`
  const anew = `sudo systemctl daemon-reload; sudo systemctl restart ${GUARD}`
  return {
    is: 'command',
    begins: `sudo mkdir -p ${folder}; printf '%s\\n' '[Service]' ${quoted(setting)} | sudo tee ${folder}/clock.conf >/dev/null; ${anew}`,
    ends: `sudo rm -r ${folder}; ${anew}`,
    on,
  }
}

export const MACHINES_CASES: readonly MachinesCase[] = [
  {
    name: 'etcd-leader',
    mode: 'switchover',
    troubles: [
      {
        is: 'command',
        begins: 'sudo systemctl kill --signal=SIGKILL etcd',
        ends: 'sudo systemctl start etcd',
        on: ({ storeLeader }) => [storeLeader],
      },
    ],
    at: FENCE,
    ends: ['moved', 'undone'],
  },
  {
    name: 'sentinels-majority',
    mode: 'switchover',
    troubles: [withoutSentinels(({ from, third }) => [from, third])],
    at: DRAIN,
    ends: ['moved', 'undone'],
  },
  {
    name: 'local-failover',
    mode: 'switchover',
    troubles: [
      {
        is: 'command',
        // As a crash of Patroni and its database: the unit is started again by systemd.
        begins: 'sudo systemctl kill --signal=SIGKILL patroni; sudo pkill -KILL -u postgres -x postgres || true',
        ends: 'sudo systemctl start patroni',
        on: ({ primary }) => [primary],
      },
    ],
    at: DRAIN,
    ends: ['moved', 'undone'],
  },
  {
    name: 'third-site-silent',
    mode: 'switchover',
    troubles: [lost('cut', ({ third }) => [third])],
    at: DRAIN,
    ends: ['moved'],
  },
  {
    name: 'replica-killed',
    mode: 'switchover',
    troubles: [lost('kill', ({ replica }) => [replica])],
    at: DRAIN,
    ends: ['moved', 'undone'],
  },
  {
    name: 'primary-killed',
    mode: 'switchover',
    troubles: [lost('kill', ({ primary }) => [primary])],
    at: DRAIN,
    ends: ['moved', 'undone'],
  },
  {
    name: 'site-killed',
    mode: 'failover',
    troubles: [lost('kill', ({ from }) => [from])],
    at: null,
    ends: ['moved'],
  },
  {
    name: 'site-frozen',
    mode: 'failover',
    troubles: [lost('freeze', ({ from }) => [from])],
    at: null,
    ends: ['moved'],
  },
  {
    name: 'site-cut',
    mode: 'failover',
    troubles: [lost('cut', ({ from }) => [from])],
    at: null,
    ends: ['moved'],
  },
  {
    name: 'site-killed-without-sentinels',
    mode: 'failover',
    troubles: [lost('kill', ({ from }) => [from]), withoutSentinels(({ to, third }) => [to, third])],
    at: null,
    ends: ['moved'],
  },
  {
    name: 'two-sites-killed',
    mode: 'failover',
    troubles: [lost('kill', ({ from, third }) => [from, third])],
    at: null,
    ends: ['moved'],
    rejoins: ({ from, third }) => [from, third],
  },
  {
    name: 'clocks-off',
    mode: 'switchover',
    troubles: [guardClocks(-MINUTE, ({ from }) => machinesOf(from)), guardClocks(MINUTE, ({ to }) => machinesOf(to))],
    at: null,
    ends: ['moved'],
    runnerClock: MINUTE,
  },
]
