import type { Observed } from '../../domain/observed.ts'
import type { Finding } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import type { DriverContext } from '../../driver/context.ts'
import { seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { type HostSeen, seenHosts } from './hosts.ts'
import type { Playbook } from './spec.ts'

/** The hosts of one site, by the names of the stack file. */
export interface AnsibleState {
  readonly hosts: Readonly<Record<string, HostSeen>>
}

/** Less than an observation may take: one host that does not answer must not silence the others. */
const OBSERVED_WITHIN = seconds(2.5)

/** Whether Ansible could work: what it would change is known only by its dry run, which a deploy makes. */
export async function observeHosts(
  component: Playbook,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<AnsibleState>> {
  const within = { deadline: OBSERVED_WITHIN, signal: context.signal }
  return summarized({ hosts: await seenHosts(component, site, context, within) })
}

/** Pure. */
export function summarized(state: AnsibleState): Observed<AnsibleState> {
  const hosts = Object.entries(state.hosts)
  const answering = hosts.flatMap(([, one]) => (one.is === 'answering' ? [one] : []))
  if (answering.length === 0) return { kind: 'silent', why: hosts.map(([name, one]) => silence(name, one)).join('; ') }
  const versions = [...new Set(answering.flatMap(({ python }) => (python === null ? [] : [python])))].sort()
  const able = answering.filter(({ python }) => python !== null)
  return {
    kind: 'answering',
    state,
    role: 'unknown',
    health: able.length === hosts.length ? 'healthy' : 'degraded',
    text: `${able.length} of ${hosts.length} hosts ready${versions.length === 0 ? '' : `, Python ${versions.join(', ')}`}`,
    facts: [],
  }
}

const silence = (name: string, one: HostSeen): string => `${name}: ${one.is === 'silent' ? one.why : 'answers'}`

/** What would keep a deploy from working. Nothing of it stands against a move, which asks Ansible for nothing. Pure. */
export const assessStatus = (
  component: Playbook,
  states: StatesPerSite<AnsibleState>,
  { stack }: Assessment,
): Finding[] =>
  stack.sites.flatMap(({ name: site }): Finding[] => {
    const seen = states[site]
    if (seen?.kind !== 'answering') return []
    return Object.entries(seen.state.hosts).flatMap(([host, one]): Finding[] => {
      if (one.is === 'silent')
        return [
          codes.finding('ansible-host-silent', component, {
            site,
            severity: 'warning',
            what: `${host} does not answer, and cannot be deployed: ${one.why}`,
            next: `Look at ${host}, at its sshd, and at the network to it.`,
            unanswered: true,
          }),
        ]
      if (one.python !== null) return []
      return [
        codes.finding('ansible-host-without-python', component, {
          site,
          severity: 'warning',
          what: `${host} has no python3, which Ansible needs there`,
          next: `Install python3 on ${host}; or declare ansible_python_interpreter, and ignore this.`,
        }),
      ]
    })
  })
