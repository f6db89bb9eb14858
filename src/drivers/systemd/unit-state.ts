import type { Milliseconds } from '../../values/duration.ts'
import { timeSpanIn } from './time-span.ts'

/** One unit of one host, by its properties (org.freedesktop.systemd1(5)). */
export interface UnitSeen {
  /** `loaded`, `not-found`, `masked`, `bad-setting`, … */
  readonly load: string
  /** `active`, `activating`, `inactive`, `failed`, … */
  readonly active: string
  /** `running`, `auto-restart`, `exited`, … */
  readonly sub: string
  /** `success`, `exit-code`, `timeout`, `start-limit-hit`, … of its last run. */
  readonly result: string
  /** How often systemd has started it again since it was started or `reset-failed`. */
  readonly restarts: number
  /** `enabled`, `disabled`, `static`, … */
  readonly file: string
  /** Sockets, timers and paths that start it. */
  readonly triggeredBy: readonly string[]
  /** TimeoutStopSec; null: for ever. */
  readonly stopsWithin: Milliseconds | null
  /** Processes of it are left although it is stopped, such as with `KillMode=process`. */
  readonly left: boolean
  /**
   * A job of systemd waits for it: a unit that is `inactive` may be about to start, such as in a boot that is under
   * way, or at the gate of a guard. To disable it does not take that back; to stop it does.
   */
  readonly queued: boolean
}

export const PROPERTIES = [
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'NRestarts',
  'UnitFileState',
  'TriggeredBy',
  'TimeoutStopUSec',
  'ControlGroup',
  'Job',
] as const

/**
 * Reads what `systemctl show --property=… -- units` prints: a block for each unit, in the order of the arguments. null
 * where it is something else. Pure.
 */
export function unitsIn(text: string, units: readonly string[]): Readonly<Record<string, UnitSeen>> | null {
  const blocks = text
    .split(/\n\s*\n/)
    .map((block) => block.trim())
    .filter((block) => block !== '')
  if (blocks.length !== units.length) return null
  const seen = blocks.map(unitIn)
  const entries = units.flatMap((unit, index) => {
    const one = seen[index]
    return one === null || one === undefined ? [] : [[unit, one] as const]
  })
  return entries.length === units.length ? Object.fromEntries(entries) : null
}

function unitIn(block: string): UnitSeen | null {
  const found = new Map(
    block.split('\n').map((line) => {
      const at = line.indexOf('=')
      return [line.slice(0, at), line.slice(at + 1).trim()] as const
    }),
  )
  const of = (name: (typeof PROPERTIES)[number]): string => found.get(name) ?? ''
  if (of('LoadState') === '' || of('ActiveState') === '') return null
  const isStopped = STOPPED.includes(of('ActiveState'))
  return {
    load: of('LoadState'),
    active: of('ActiveState'),
    sub: of('SubState'),
    result: of('Result'),
    restarts: Number(of('NRestarts') || 0),
    file: of('UnitFileState'),
    triggeredBy: of('TriggeredBy').split(/\s+/).filter(Boolean),
    stopsWithin: timeSpanIn(of('TimeoutStopUSec')),
    // systemd keeps the group of a stopped unit only while a process is in it.
    left: isStopped && of('ControlGroup') !== '',
    queued: of('Job') !== '',
  }
}
const STOPPED = ['inactive', 'failed']

/** Nothing of it runs, and systemd is not about to start it again after it has run. */
export const isStopped = ({ active, left }: UnitSeen): boolean => STOPPED.includes(active) && !left

/** It is stopped, and stays so: neither a start that waits nor a boot begins it. */
export const isShut = (unit: UnitSeen): boolean => isStopped(unit) && !unit.queued && startsAtBoot(unit) !== 'yes'

export const isUp = ({ active }: UnitSeen): boolean => active === 'active'

/** Whether a boot starts it; `by-others`: it has no [Install] section, and what else names it decides. */
export function startsAtBoot({ file }: UnitSeen): 'yes' | 'no' | 'by-others' {
  if (file === 'enabled' || file === 'enabled-runtime') return 'yes'
  return ['static', 'indirect', 'alias', 'generated', 'transient'].includes(file) ? 'by-others' : 'no'
}

/** Whether systemd can start it. */
export const isInstalled = ({ load }: UnitSeen): boolean => load === 'loaded'

/** `active (running)` */
export const stateInWords = ({ load, active, sub, left }: UnitSeen): string => {
  if (load !== 'loaded') return load
  return left ? `${active}, with processes left` : `${active} (${sub})`
}

/** `infisical` is a service (systemd.unit(5)): the suffixes are those of unit types. */
export const fullName = (unit: string): string =>
  /\.(service|socket|target|timer|path|mount|slice|scope|device|swap|automount)$/.test(unit) ? unit : `${unit}.service`
