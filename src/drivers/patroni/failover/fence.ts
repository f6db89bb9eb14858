import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { parametersOf } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type ControlData, endOf } from '../../../systems/postgres/control-data.ts'
import { parseLsn } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { controlDataOf, hostsOf, type MemberHost } from '../host.ts'
import { type PatroniState, standbyLeaderIn, writerIn } from '../observe.ts'
import { type DatabaseRun, membersAt, oftenAsked, siteOf } from '../run.ts'
import { clusterNamed, controlOf, type Database, type PatroniSpec, siteSpecOf, unitOf } from '../spec.ts'

/** No step for a site that is seen to be a standby cluster, and to accept no write. */
export function fenceSteps(component: Database, states: StatesPerSite<PatroniState>, { from }: Intent): DriverStep[] {
  const seen = states[from]
  const follows =
    seen?.kind === 'answering' &&
    seen.role === 'passive' &&
    Object.values(seen.state.members).every(({ is }) => is === 'answering')
  return follows ? [] : [fenceStep(component, from)]
}

/**
 * Patroni and PostgreSQL are stopped on every host of a site, and stay so across a boot: any member may become a
 * primary while its store lives. One host that does not answer leaves the site open.
 */
export const fenceStep = (component: Database, site: Intent['from']): DriverStep<Nothing> =>
  planStep(fence, site, {
    phase: 'FENCE',
    title: `Stops ${unitOf(component)} on every host of ${clusterNamed(component, site)}, now and at each boot, and sees that no PostgreSQL runs there`,
    deadline: minutes(3),
    expected: seconds(4),
    fence: 'database',
    parameters: {},
  })

// biome-ignore lint/complexity/noBannedTypes: parameters that have no field
type Nothing = {}
export interface Fenced extends Proof {
  readonly stopped: readonly string[]
  /** `Database cluster state` of the primary; null where none was one when it ended. */
  readonly state: string | null
  readonly timeline: number | null
  /** Where its WAL ends (LSN); null where that is unknown. */
  readonly endedAt: string | null
  /** ISO 8601. */
  readonly fencedAt: string
}
type Run = DatabaseRun<Nothing>

export const fence: Action<PatroniSpec, Nothing, Fenced> = {
  name: 'fence',
  parameters: parametersOf<Nothing>({}),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<Fenced, never>> {
      const hosts = hostsOf(run.component, siteOf(run), run.context, run.signal)
      const open = (
        await Promise.all(
          [...hosts].map(async ([name, host]) => {
            const { patroni, postgres, atBoot } = await host.runs()
            if (patroni) return [`${name} (Patroni)`]
            if (postgres) return [`${name} (PostgreSQL)`]
            return atBoot ? [`${name} (Patroni, which a boot starts)`] : []
          }),
        )
      ).flat()
      if (open.length > 0) return { is: 'pending', waitingFor: `${open.join(', ')} to stop` }
      const last = await formerPrimary(hosts)
      return {
        is: 'done',
        proof: {
          stopped: [...hosts.keys()],
          state: last?.control.state ?? null,
          timeline: last?.control.timeline ?? null,
          endedAt: last === null ? null : endOf(last.control),
          fencedAt: run.context.clock.now().toISOString(),
        },
      }
    },
    apply: (run: Run) => everyHost(run, 'stop'),
    changes: oftenAsked,
    back: {
      undo: (run: Run) => everyHost(run, 'start'),
      async undone(run: Run) {
        const members = await membersAt(run, siteOf(run))
        const head = writerIn({ members }) ?? standbyLeaderIn({ members })
        return head === null
          ? { is: 'pending', waitingFor: `${clusterNamed(run.component, siteOf(run))} to have a primary again` }
          : { is: 'done', proof: { details: { head: head.name } } }
      },
    },
  },
  byHand: {
    say: (component, step) => ({
      commands: hostNamesOf(component, step.site).map(
        (host) => `ssh ${host} 'sudo ${controlOf(component)} disable --now ${unitOf(component)}; pgrep -a postgres'`,
      ),
      expect: 'No host shows a process of PostgreSQL.',
      never: 'Leave one host out: while its store lives, any member may become a primary.',
    }),
  },
}

export async function everyHost(run: DatabaseRun, verb: 'start' | 'stop'): Promise<void> {
  const hosts = hostsOf(run.component, siteOf(run), run.context, run.signal)
  const done = await Promise.allSettled([...hosts.values()].map((host) => host.control(verb)))
  for (const one of done) if (one.status === 'rejected') throw one.reason
}

/** Machines of the stack file, by their names there. */
export const hostNamesOf = (component: Database, site: string | null): string[] =>
  site === null ? [] : Object.values(siteSpecOf(component, site).members).map(({ host }) => host)

/**
 * The stopped server that was the primary: by its control file, it was in production or shut down as one. Where none
 * was, and `orFarthest`: the one that is the farthest, for a former primary may have been made a standby with its rows.
 * Null where there is none, or none can be read.
 */
export async function formerPrimary(hosts: ReadonlyMap<string, MemberHost>, { orFarthest = false } = {}) {
  const read = await Promise.all(
    [...hosts].map(async ([name, host]) => ({ name, host, control: await controlDataOf(host) })),
  )
  const known = read.flatMap(({ name, host, control }) => (control === null ? [] : [{ name, host, control }]))
  const primaries = known.filter(({ control }) => AS_PRIMARY.includes(control.state))
  const candidates = primaries.length > 0 || !orFarthest ? primaries : known
  return candidates.sort((a, b) => farther(a.control, b.control))[0] ?? null
}
const farther = (one: ControlData, other: ControlData): number =>
  other.timeline - one.timeline || Number((parseLsn(other.checkpoint) ?? 0n) - (parseLsn(one.checkpoint) ?? 0n))

/** DBState of pg_control.h: what a standby has says "in recovery". */
const AS_PRIMARY = ['in production', 'shut down', 'shutting down', 'in crash recovery', 'starting up']
