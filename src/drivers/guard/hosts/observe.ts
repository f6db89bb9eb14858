import type { Observed } from '../../../domain/observed.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { guardService, reportFile } from '../../../guard/names.ts'
import { reportOf, STALE_AFTER } from '../../../guard/report.ts'
import { HOSTS } from '../../../platform/hosts/client.ts'
import { seconds } from '../../../values/duration.ts'
import type { GuardState, MachineGuard } from '../observe.ts'
import type { GuardComponent } from '../spec.ts'

/** Asks every machine of a site for its guard. One that does not answer is a value: it may be off. */
export async function observeMachines(
  _component: GuardComponent,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<GuardState>> {
  const { machines: declared } = context.platform(HOSTS, site)
  const machines = Object.fromEntries(
    await Promise.all(
      Object.keys(declared).map(async (name) => [name, await askMachine(name, site, context)] as const),
    ),
  )
  const all = Object.entries(machines)
  const answering = all.filter(([, { silent }]) => silent === null)
  if (answering.length === 0)
    return { kind: 'silent', why: all.map(([name, { silent }]) => `${name}: ${silent}`).join('; ') }
  if (answering.every(([, { installed }]) => !installed))
    return { kind: 'absent', why: `no machine has ${guardService(context.stack.name)}` }
  const now = context.clock.now().getTime()
  const isCurrent = ({ report }: MachineGuard): boolean =>
    report !== null && Math.abs(now - Date.parse(report.at)) <= STALE_AFTER
  const running = answering.filter(([, { active }]) => active)
  const sound = running.filter(([, one]) => isCurrent(one) && one.report?.open.length === 0)
  return {
    kind: 'answering',
    state: { ready: running.length, report: null, machines },
    role: 'unknown',
    health: healthOf(running.length, sound.length === all.length),
    text: textOf(all, sound.length),
    facts: [],
  }
}

function healthOf(running: number, allSound: boolean): 'healthy' | 'degraded' | 'down' {
  if (running === 0) return 'down'
  return allSound ? 'healthy' : 'degraded'
}

async function askMachine(name: string, site: SiteName, context: DriverContext): Promise<MachineGuard> {
  const { stack, signal } = context
  const service = guardService(stack.name)
  const script = `systemctl show --property=LoadState --value ${service}; systemctl is-active ${service}; cat ${reportFile(stack.name)} 2>/dev/null || :`
  try {
    const { stdout } = await context
      .platform(HOSTS, site)
      .run(name, script, { asRoot: true, deadline: seconds(5), signal })
    const [loaded = '', active = '', ...text] = stdout.split('\n')
    return {
      silent: null,
      installed: loaded === 'loaded',
      active: active === 'active',
      report: reportOf(text.join('\n')),
    }
  } catch (error) {
    return { silent: asStandbyError(error).message, installed: false, active: false, report: null }
  }
}

function textOf(all: readonly (readonly [string, MachineGuard])[], sound: number): string {
  const closing = all.filter(([, { report }]) => report?.decision === 'close').length
  const held = all.reduce((sum, [, { report }]) => sum + (report?.closed.length ?? 0), 0)
  const open = all.reduce((sum, [, { report }]) => sum + (report?.open.length ?? 0), 0)
  const parts = [`${sound} of ${all.length} machines guarded`]
  if (open > 0) parts.push(`CLOSES, ${open} open`)
  else if (closing > 0) parts.push(held > 0 ? `holds ${held} closed` : 'nothing to close')
  return parts.join(', ')
}
