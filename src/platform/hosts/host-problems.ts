import type { SpecProblem } from '../../domain/declaration.ts'
import type { Site } from '../../domain/stack.ts'
import { declaredHosts } from './declared-hosts.ts'

/** What the schema cannot say of hosts: within one site, and of sites that share a machine. Pure. */
export const hostProblems = (sites: readonly Site[]): SpecProblem[] => [
  ...sites.flatMap(ownProblems),
  ...sharedMachines(sites),
]

function ownProblems(site: Site): SpecProblem[] {
  const hosts = declaredHosts(site)
  if (hosts === undefined) return []
  const { ssh, machines, sandbox } = hosts
  const inSecrets = (['privateKey', 'knownHosts'] as const).flatMap((key): SpecProblem[] =>
    'secret' in ssh[key]
      ? [
          {
            path: [site.name, 'hosts', 'ssh', key],
            what: 'must be { env } or { file }: hosts are reached whether or not a cluster answers',
          },
        ]
      : [],
  )
  if (sandbox === undefined || Object.hasOwn(machines, sandbox.machine)) return inSecrets
  return [
    ...inSecrets,
    {
      path: [site.name, 'hosts', 'sandbox', 'machine'],
      what: `there is no machine ${sandbox.machine}; there are ${Object.keys(machines).join(', ')}`,
    },
  ]
}

/** Two sites on one machine are lost together. */
function sharedMachines(sites: readonly Site[]): SpecProblem[] {
  const all = sites.flatMap((site) =>
    Object.entries(declaredHosts(site)?.machines ?? {}).map(([name, machine]) => ({
      site: site.name,
      name,
      id: machine.machineId,
      place: `${machine.address}:${machine.port ?? declaredHosts(site)?.ssh.port ?? 22}`,
      jump: JSON.stringify(declaredHosts(site)?.ssh.jump ?? null),
    })),
  )
  return all.flatMap((one, index): SpecProblem[] => {
    const path = [one.site, 'hosts', 'machines', one.name]
    const before = all.slice(0, index)
    const same = before.find(({ id }) => id !== undefined && id === one.id)
    if (same !== undefined) return [{ path: [...path, 'machineId'], what: `is ${shared(same)}`, severity: 'warning' }]
    const here = before.find(({ place, jump }) => place === one.place && jump === one.jump)
    return here === undefined ? [] : [{ path: [...path, 'address'], what: `is ${shared(here)}`, severity: 'warning' }]
  })
}

const shared = ({ site, name }: { readonly site: string; readonly name: string }): string =>
  `the machine ${name} of ${site} too: what stands on it is lost with it`
