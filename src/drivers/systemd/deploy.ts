import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Change, Deployment, DeployUnit } from '../../driver/deployment.ts'
import { minutes } from '../../values/duration.ts'
import { type Asking, type Host, type HostState, lastWordsOf, startUnits, stopUnits } from './host.ts'
import { servingOf } from './move/start.ts'
import { hostsAt, lookAtAll } from './run.ts'
import { type Application, nameOf } from './spec.ts'
import { isStopped, isUp, startsAtBoot, stateInWords, type UnitSeen } from './unit-state.ts'

/**
 * The role of a site alone: units run and are enabled on the active site, and are stopped and disabled on the others.
 * Units, programs and environment files are brought by another component that this one needs, such as one of Ansible.
 */
export async function deployUnits(
  component: Application,
  site: SiteName,
  deployment: Deployment,
  context: DriverContext,
): Promise<DeployUnit[]> {
  const role = deployment.roleOf(site)
  const hosts = hostsAt(component, site)
  const asking = (signal: AbortSignal): Asking => ({ context: { ...context, signal }, signal })
  let applied = false
  return [
    {
      id: `${component.name}.units@${site}`,
      site,
      needs: [],
      title: `${nameOf(component)} as the ${role} site runs it`,
      deadline: minutes(15),
      async diff(signal) {
        const seen = await lookAtAll(component, hosts, asking(signal))
        const changes = seen.flatMap(([host, state]) => changesOf(host, state, role))
        const stops = role === 'passive' && seen.some(([, { units }]) => Object.values(units).some(runs))
        if (!stops || (await isAwakeOn(component, deployment.activeSite, asking(signal)))) return changes
        return [...changes, stopsTheOnly(component, site, deployment)]
      },
      async apply(signal) {
        applied = true
        const performed = hosts.map((host) =>
          role === 'active'
            ? startUnits(host, { started: host.units, enabled: host.units }, asking(signal))
            : stopUnits(host, minutes(14), asking(signal)),
        )
        await Promise.all(performed)
      },
      async ready(signal): Promise<Progress> {
        const seen = await lookAtAll(component, hosts, asking(signal))
        if (role === 'active') {
          const words = (host: Host, unit: string) => lastWordsOf(host, unit, asking(signal))
          const serving = await servingOf(seen, applied ? words : null)
          if (serving.is === 'done')
            return { is: 'done', proof: { hosts: [...serving.proof.hosts], version: serving.proof.version } }
          if (serving.is === 'unknown') return { is: 'pending', waitingFor: serving.why }
          return serving
        }
        const left = seen.flatMap(([host, state]) => changesOf(host, state, role))
        return left.length === 0
          ? { is: 'done', proof: {} }
          : { is: 'pending', waitingFor: left.map(({ object }) => object).join(', ') }
      },
    },
  ]
}

const runs = (unit: UnitSeen): boolean => !isStopped(unit)

/** Where a host differs from its role. Pure. */
export function changesOf(host: Host, { units }: HostState, role: 'active' | 'passive'): Change[] {
  return Object.entries(units).flatMap(([unit, seen]): Change[] => {
    const object = `${host.site}/${host.name}/${unit}`
    const atBoot = startsAtBoot(seen)
    if (role === 'active')
      return [
        ...(isUp(seen)
          ? []
          : [{ kind: 'update', object, path: 'ActiveState', from: stateInWords(seen), to: 'active' } as const]),
        ...(atBoot === 'no'
          ? [{ kind: 'update', object, path: 'UnitFileState', from: seen.file, to: 'enabled' } as const]
          : []),
      ]
    return [
      ...(isStopped(seen)
        ? []
        : [{ kind: 'update', object, path: 'ActiveState', from: stateInWords(seen), to: 'inactive' } as const]),
      ...(atBoot === 'yes'
        ? [{ kind: 'update', object, path: 'UnitFileState', from: seen.file, to: 'disabled' } as const]
        : []),
    ]
  })
}

async function isAwakeOn(component: Application, site: SiteName, asking: Asking): Promise<boolean> {
  const seen = await lookAtAll(component, hostsAt(component, site), asking)
  return seen.some(([, { units }]) => Object.values(units).some(runs))
}

/** Units that run on a passive site while none runs on the active one may be all that serves users. Pure. */
function stopsTheOnly(component: Application, site: SiteName, { activeSite, epoch }: Deployment): Change {
  const because =
    epoch === null
      ? `the stack file names ${activeSite} as initialActive, where none runs. If ${site} is the site that serves, name that one`
      : `the witness names ${activeSite} as the active site, where none runs. Start it there first; if nothing needs it, stop it on ${site} by hand`
  return {
    kind: 'refused',
    object: `${site}/${nameOf(component)}`,
    why: `made-by-others: ${nameOf(component)} on ${site} is the only one that runs, and would be stopped: ${because}`,
  }
}
