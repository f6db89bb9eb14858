import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { storeByHand } from '../dcs/by-hand.ts'
import { hostNamesOf } from '../failover/fence.ts'
import { hostsOf, type MemberHost } from '../host.ts'
import { type DatabaseRun, isDirectedTo, readStoreOf, siteOf, storeOfRun } from '../run.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'
import { enroll } from './enroll.ts'

/** The data of a site are removed, and its store forgets them: Patroni copies the active site anew. */
export const wipeStep = (component: Database, { from, to }: Intent): DriverStep<OfWipe> =>
  planStep(wipe, to, {
    phase: 'RESTORE_AUX',
    needs: [stepOf(component, enroll, to)],
    title: `Removes the data directories of ${clusterNamed(component, to)}, whose histories parted, and has Patroni copy ${from} anew`,
    deadline: minutes(10),
    expected: seconds(3),
    parameters: { followed: from },
  })

type OfWipe = { readonly followed: string }
interface Wiped extends Proof {
  readonly emptied: readonly string[]
}
type Run = DatabaseRun<OfWipe>

/** Ends with 1 where something is left. The directory itself may be a mount point, and stays. */
const IS_EMPTY = '[ ! -e "$PGDATA" ] || [ -z "$(ls -A "$PGDATA")" ]'
/** Only what is a data directory of PostgreSQL, or the rest of one. */
const EMPTY = `{ ${IS_EMPTY}; } && exit 0
[ -f "$PGDATA/PG_VERSION" ] || [ -d "$PGDATA/base" ] || { echo "$PGDATA is no data directory" >&2; exit 2; }
find -H "$PGDATA" -mindepth 1 ! -name PG_VERSION -delete 2>/dev/null
find -H "$PGDATA" -mindepth 1 -delete`

export const wipe: Action<PatroniSpec, OfWipe, Wiped> = {
  name: 'wipe',
  parameters: parametersOf<OfWipe>({ followed: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<Wiped, never>> {
      const hosts = hostsOf(run.component, siteOf(run), run.context, run.signal)
      const left = (
        await Promise.all(
          [...hosts].map(async ([name, host]) =>
            (await host.shell(IS_EMPTY, [], seconds(20))).code === 0 ? [] : [name],
          ),
        )
      ).flat()
      if (left.length > 0) return { is: 'pending', waitingFor: `the data directory of ${left.join(', ')} to be empty` }
      const { initialized } = await readStoreOf(run, siteOf(run))
      return initialized === null
        ? { is: 'done', proof: { emptied: [...hosts.keys()] } }
        : { is: 'pending', waitingFor: `the store of ${siteOf(run)} to forget the former database` }
    },
    /**
     * The store forgets last, and only while it says that the site follows: with `initialize` gone, and no
     * `standby_cluster`, the next Patroni would begin an empty database.
     */
    async apply(run: Run) {
      const site = siteOf(run)
      const { followed } = run.step.parameters
      const hosts = hostsOf(run.component, site, run.context, run.signal)
      const view = await readStoreOf(run, site)
      if (!isDirectedTo(run.component, site, view, followed)) throw changed(site)
      // On all hosts, before anything is removed on one.
      await Promise.all([...hosts.values()].map(refuseRunning))
      await Promise.all(
        [...hosts.values()].map(async (host) => {
          const { code, stderr } = await host.shell(EMPTY, [], minutes(8))
          if (code !== 0)
            throw codes.error('patroni-command-failed', `the data directory cannot be emptied: ${stderr.trim()}`, {
              retry: code === 2 ? 'never' : 'transient',
              where: host.where,
            })
        }),
      )
      if (!(await storeOfRun(run, site).forgetDatabase(view.config.revision))) throw changed(site)
    },
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step) => ({
      commands: [
        ...hostNamesOf(component, step.site).map(
          (host) => `ssh ${host} 'sudo find ${component.spec.server.dataDirectory} -mindepth 1 -delete'`,
        ),
        storeByHand(component).forget,
      ],
      expect: `The directories are empty, and ${storeByHand(component).isForgotten}.`,
      never: 'Delete initialize while the configuration has no standby_cluster: Patroni would begin an empty database.',
    }),
  },
}

async function refuseRunning(host: MemberHost): Promise<void> {
  const { patroni, postgres } = await host.runs()
  if (patroni || postgres)
    throw codes.error('patroni-not-stopped', `${patroni ? 'Patroni' : 'PostgreSQL'} runs: nothing is removed`, {
      retry: 'never',
      where: host.where,
      next: 'Find out who started it, and plan the rejoin again.',
    })
}

const changed = (site: string) =>
  codes.error('patroni-store-changed', `the configuration of Patroni on ${site} was changed meanwhile`, {
    retry: 'never',
    where: site,
    next: 'Find out who changed it, and plan the rejoin again.',
  })
