import type { MoveVerdict } from '../../../src/evidence/operation.ts'
import type { OutageKind } from '../../outage.ts'
import { type HostName, type MachineName, machinesOf, type SiteName } from '../../topology.ts'
import type { CrashPoint } from '../cases.ts'

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
  readonly trouble: MachinesTrouble
  /** The line of the move at which it begins; null: before the move is planned. */
  readonly at: CrashPoint | null
  /**
   * How the move may end. Whatever it is, nothing that was acknowledged is lost, and one site takes writes at a time.
   */
  readonly ends: readonly MoveVerdict[]
}

const lost = (how: OutageKind, hosts: (scene: Scene) => readonly HostName[]): MachinesTrouble => ({
  is: 'outage',
  how,
  hosts,
})
const DRAIN: CrashPoint = { phase: 'DRAIN', at: 'begins' }
const FENCE: CrashPoint = { phase: 'FENCE', at: 'begins' }
const sentinels = ({ from, third }: Scene): MachineName[] => [`${from}-app`, `${third}-app`]

export const MACHINES_CASES: readonly MachinesCase[] = [
  {
    name: 'etcd-leader',
    mode: 'switchover',
    trouble: {
      is: 'command',
      begins: 'sudo systemctl kill --signal=SIGKILL etcd',
      ends: 'sudo systemctl start etcd',
      on: ({ storeLeader }) => [storeLeader],
    },
    at: FENCE,
    ends: ['moved', 'undone'],
  },
  {
    name: 'sentinels-majority',
    mode: 'switchover',
    trouble: {
      is: 'command',
      begins: 'sudo systemctl stop redis-sentinel',
      ends: 'sudo systemctl start redis-sentinel',
      on: sentinels,
    },
    at: DRAIN,
    ends: ['moved', 'undone'],
  },
  {
    name: 'local-failover',
    mode: 'switchover',
    trouble: {
      is: 'command',
      // As a crash of Patroni and its database: the unit is started again by systemd.
      begins: 'sudo systemctl kill --signal=SIGKILL patroni; sudo pkill -KILL -u postgres -x postgres || true',
      ends: 'sudo systemctl start patroni',
      on: ({ primary }) => [primary],
    },
    at: DRAIN,
    ends: ['moved', 'undone'],
  },
  {
    name: 'third-site-silent',
    mode: 'switchover',
    trouble: lost('cut', ({ third }) => machinesOf(third)),
    at: DRAIN,
    ends: ['moved'],
  },
  {
    name: 'replica-killed',
    mode: 'switchover',
    trouble: lost('kill', ({ replica }) => [replica]),
    at: DRAIN,
    ends: ['moved', 'undone'],
  },
  {
    name: 'primary-killed',
    mode: 'switchover',
    trouble: lost('kill', ({ primary }) => [primary]),
    at: DRAIN,
    ends: ['moved', 'undone'],
  },
  {
    name: 'site-killed',
    mode: 'failover',
    trouble: lost('kill', ({ from }) => machinesOf(from)),
    at: null,
    ends: ['moved'],
  },
  {
    name: 'site-frozen',
    mode: 'failover',
    trouble: lost('freeze', ({ from }) => machinesOf(from)),
    at: null,
    ends: ['moved'],
  },
  {
    name: 'site-cut',
    mode: 'failover',
    trouble: lost('cut', ({ from }) => machinesOf(from)),
    at: null,
    ends: ['moved'],
  },
]
