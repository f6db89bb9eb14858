import type { SiteName } from '../../../domain/stack.ts'
import { type Action, planStep } from '../../../driver/action.ts'
import type { Plain, Seen } from '../../../driver/behaviour.ts'
import { quoted } from '../../../driver/manual.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { HOSTS } from '../../../platform/hosts/client.ts'
import { hours, minutes, seconds } from '../../../values/duration.ts'
import { stampOf } from '../../../values/stamp.ts'
import { codes } from '../codes.ts'
import { hostOf } from '../host.ts'
import { type DatabaseRun, primaryOf, siteOf } from '../run.ts'
import { onPrimary } from '../runbook.ts'
import { clusterNamed, type Database, memberOf, membersOf, type PatroniSpec } from '../spec.ts'
import { backupsOf, stanzaOf } from './declared.ts'
import { INFO, type Stanza, type StoredBackup, stanzaIn } from './repository.ts'

export type TakeBackup = { readonly stanza: string }
/** A finished base backup, as pgBackRest names it. */
export interface BackedUp extends Proof {
  readonly stanza: string
  readonly backupId: string
  /** ISO 8601. */
  readonly stoppedAt: string
  readonly beginWal: string
  readonly endWal: string
}
type Run = DatabaseRun<TakeBackup>

/** A base backup of a site, by pgBackRest on the host of its primary. */
export const baseBackupStep = (component: Database, site: SiteName) =>
  planStep(backup, site, {
    phase: 'PROTECT',
    title: `Takes a base backup of ${clusterNamed(component, site)} into the stanza ${stanzaOf(component, site)}`,
    deadline: hours(4),
    expected: seconds(10),
    parameters: { stanza: stanzaOf(component, site) },
  })

/**
 * pgBackRest runs as a transient unit of systemd: a connection that ends does not end it, and the process that
 * continues a run finds it. Its backup carries the beginning of the step as an annotation.
 */
const behaviour: Plain<PatroniSpec, TakeBackup, BackedUp> = {
  is: 'plain',
  async done(run: Run): Promise<Seen<BackedUp, never>> {
    const { stanza } = run.step.parameters
    const taken = (await readStanza(run)).backups.find(isOurs(run))
    if (taken !== undefined) return { is: 'done', proof: proofOf(stanza, taken) }
    const units = await Promise.all(membersOf(run.component, siteOf(run)).map((name) => unitOn(run, name)))
    const failed = units.find(({ state }) => state === 'failed')
    if (failed !== undefined)
      return {
        is: 'failed',
        code: codes.code['backup-failed'],
        why: `pgBackRest on ${failed.host}: ${failed.said}`,
        next: `On ${failed.host}: journalctl -u ${unitName(run)}; pgbackrest --stanza=${stanza} check`,
      }
    return { is: 'pending', waitingFor: `the base backup of ${clusterNamed(run.component, siteOf(run))}` }
  },
  async apply(run: Run) {
    const units = await Promise.all(membersOf(run.component, siteOf(run)).map((name) => unitOn(run, name)))
    if (units.some(({ state }) => state !== 'none')) return
    const primary = await primaryOf(run, siteOf(run))
    const { host } = memberOf(run.component, siteOf(run), primary)
    const { code, stderr } = await run.context
      .platform(HOSTS, siteOf(run))
      .run(host, beginning(run), { asRoot: true, signal: run.signal, deadline: seconds(30) })
    if (code !== 0)
      throw codes.error('backup-failed', `pgBackRest could not be started on ${host}: ${stderr.trim()}`, {
        retry: 'transient',
        where: `${siteOf(run)} ${host}`,
        next: 'It needs systemd on the host, pgbackrest, and the rights of root (become: sudo).',
      })
  },
  back: { is: 'leaves-nothing', because: 'one more base backup hurts no move' },
}

export const backup: Action<PatroniSpec, TakeBackup, BackedUp> = {
  name: 'backup',
  parameters: parametersOf<TakeBackup>({ stanza: TEXT }),
  behaviour,
  byHand: {
    say: (component, { site, parameters: { stanza } }) => ({
      commands: [
        ...onPrimary(component, site, 'SELECT pg_is_in_recovery()'),
        `ssh HOST sudo -u ${component.spec.server.user ?? 'postgres'} pgbackrest --stanza=${quoted(stanza)} --type=full backup`,
        `ssh HOST sudo -u ${component.spec.server.user ?? 'postgres'} pgbackrest --stanza=${quoted(stanza)} info`,
      ],
      expect: 'status: ok, and a backup of now.',
    }),
  },
}

const ANNOTATION = 'standby'
const isOurs =
  (run: Run) =>
  ({ annotations }: StoredBackup): boolean =>
    annotations[ANNOTATION] === stampOf(run.begunAt)
const unitName = (run: Run): string => `${unitsOf(run.component)}${stampOf(run.begunAt)}.service`
const unitsOf = ({ name }: Database): string => `standby-backup-${name}-`

const proofOf = (stanza: string, { label, endedAt, beginWal, endWal }: StoredBackup): BackedUp => ({
  stanza,
  backupId: label,
  stoppedAt: endedAt,
  beginWal,
  endWal,
})

/** What pgBackRest on the primary's host says of the stanza. Throws `patroni-command-failed`, `patroni-unlocked`. */
async function readStanza(run: Run): Promise<Stanza> {
  const { stanza } = run.step.parameters
  const host = hostOf(run.component, siteOf(run), await primaryOf(run, siteOf(run)), run.context, run.signal)
  const { code, stdout, stderr } = await host.shell(INFO, [stanza], minutes(1))
  if (code === 0) return stanzaIn(stdout, stanza)
  throw codes.error('patroni-command-failed', `pgbackrest info: ${stderr.trim().slice(-300)}`, {
    retry: 'transient',
    where: host.where,
    next: 'pgBackRest must be installed and configured on every host of the cluster.',
  })
}
/** Forgets the units of backups that failed before, and starts this one. */
function beginning(run: Run): string {
  const { component, step } = run
  const type = backupsOf(component).type ?? 'full'
  const words = [
    ...['pgbackrest', `--stanza=${step.parameters.stanza}`, `--type=${type}`, '--log-level-stderr=error'],
    ...[`--annotation=${ANNOTATION}=${stampOf(run.begunAt)}`, 'backup'],
  ]
  const owner = component.spec.server.user ?? 'postgres'
  return `systemctl reset-failed '${unitsOf(component)}*' 2>/dev/null || :
exec systemd-run --quiet --no-ask-password --unit=${unitName(run)} --description='Base backup for Standby' --property=User=${owner} --property=WorkingDirectory=/ -- ${words.map(quoted).join(' ')}`
}

interface UnitSeen {
  readonly host: string
  readonly state: 'none' | 'running' | 'failed'
  /** The last lines of its journal. */
  readonly said: string
}

/**
 * The unit of this step on one host. A host that does not answer counts as one without: pgBackRest itself takes one
 * backup of a stanza at a time.
 */
async function unitOn(run: Run, name: string): Promise<UnitSeen> {
  const { host } = memberOf(run.component, siteOf(run), name)
  try {
    return { host, ...(await askUnit(run, host)) }
  } catch (error) {
    run.signal.throwIfAborted()
    run.context.log.debug(`${run.step.id}: ${host}: ${asStandbyError(error).message}`)
    return { host, state: 'none', said: '' }
  }
}

async function askUnit(run: Run, host: string): Promise<Omit<UnitSeen, 'host'>> {
  const script = `systemctl show --property=ActiveState --value ${unitName(run)}
journalctl --quiet --no-pager --output=cat --lines=5 --unit=${unitName(run)} 2>/dev/null || :`
  const { stdout } = await run.context
    .platform(HOSTS, siteOf(run))
    .run(host, script, { asRoot: true, signal: run.signal, deadline: seconds(10) })
  const [state = '', ...said] = stdout.trim().split('\n')
  const running = ['active', 'activating', 'deactivating', 'reloading'].includes(state)
  const words = said.filter((line) => /ERROR|WARN|HINT/.test(line))
  const ended = state === 'failed' ? 'failed' : 'none'
  return { state: running ? 'running' : ended, said: (words.length > 0 ? words : said).join(' | ') }
}
