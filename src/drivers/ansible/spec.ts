import type { SpecProblem } from '../../domain/declaration.ts'
import type { CredentialUse } from '../../domain/identities.ts'
import type { Component, CredentialReference, Site, SiteName, Stack } from '../../domain/stack.ts'
import { declaredHosts } from '../../platform/hosts/declared-hosts.ts'
import { fieldsOf, type Schema } from '../../schema/fields.ts'
import { credentialReference, duration, text } from '../../schema/parts.ts'
import { type Milliseconds, minutes, parseDuration } from '../../values/duration.ts'
import type { Json, JsonObject } from '../../values/json.ts'

/** Hosts of all sites, deployed by playbooks of the user. */
export interface AnsibleSpec {
  readonly playbook: string
  /** What can only be done, or waited for, after the active site. */
  readonly afterwards?: string
  /** Names of machines by group; each name counts on every site that has such a machine. */
  readonly groups?: Readonly<Record<string, readonly string[]>>
  /** Inventories of the user; the one that is made from the stack file is read after them. */
  readonly inventories?: readonly string[]
  readonly variables?: Readonly<Record<string, Json>>
  readonly secrets?: Readonly<Record<string, CredentialReference>>
  readonly environment?: Readonly<Record<string, CredentialReference>>
  /** Passwords of Ansible Vault, by vault id. */
  readonly vault?: Readonly<Record<string, CredentialReference>>
  readonly tags?: readonly string[]
  readonly skipTags?: readonly string[]
  readonly showContent?: boolean
  readonly program?: string
  readonly timeout?: string
}
export type Playbook = Component<AnsibleSpec>

/** A name of a variable or of a group, as Ansible takes it. */
const NAME = '^[A-Za-z_][A-Za-z0-9_]{0,62}$'
/** A file; it cannot be taken for an option, nor for a list of hosts. */
const FILE = '^[^-,\\n][^,\\n]*$'

const named = <T>(description: string, values: Schema<T>): Schema<Readonly<Record<string, T>>> => ({
  description,
  type: 'object',
  propertyNames: { description: 'Letters, digits and "_", no digit first.', pattern: NAME },
  additionalProperties: values,
})
const references = (description: string): JsonObject =>
  named(description, { ...credentialReference } as Schema<CredentialReference>)
const listOfTags = (description: string): Schema<readonly string[]> => ({
  description,
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: text('One tag.', { pattern: '^[A-Za-z0-9_][A-Za-z0-9_.:-]*$' }),
})

export const ansibleSchema: JsonObject = fieldsOf<AnsibleSpec>()({
  description: 'Hosts of all sites, deployed by playbooks of yours with ansible-core.',
  required: ['playbook'],
  properties: {
    playbook: text('The playbook, relative to the stack file. Ansible runs in its folder.', {
      pattern: FILE,
      examples: ['ansible/site.yml'],
    }),
    afterwards: text('A playbook for every site that runs after the active site is deployed.', { pattern: FILE }),
    groups: named('The machines of each group of the inventory. Absent: all machines, in no such group.', {
      description: 'Names of machines. Each one counts on every site that has a machine of this name.',
      type: 'array',
      minItems: 1,
      uniqueItems: true,
      items: text('Name of a machine in the hosts of a site.'),
    }),
    inventories: {
      description: 'Inventories of yours, relative to the stack file. The one made from the stack file wins over them.',
      type: 'array',
      items: text('A file or a folder.', { pattern: FILE }),
    },
    variables: named('Extra variables. They win over all others.', {}),
    secrets: references('Extra variables by reference. They reach Ansible in a private file that it removes at once.'),
    environment: references('Variables of the environment of Ansible, by reference.'),
    vault: references('Passwords of Ansible Vault by vault id; default is the id of a file that names none.'),
    tags: listOfTags('Only tasks with one of these tags.'),
    skipTags: listOfTags('No task with one of these tags.'),
    showContent: {
      description:
        'Whether differences show lines of files. Default false: hashes, because a file may hold secrets. Tasks with no_log show nothing in either case.',
      type: 'boolean',
    },
    program: text('ansible-playbook by its path, or a name on the PATH. Default ansible-playbook.', {
      pattern: '^[^-\\s][^\\s]*$',
    }),
    timeout: duration('How long one run of a playbook may take on one site. Default 30m.'),
  },
})

export const timeoutOf = ({ spec }: Playbook): Milliseconds => parseDuration(spec.timeout ?? '30m') ?? minutes(30)
export const programOf = ({ spec }: Playbook): string => spec.program ?? 'ansible-playbook'

/** The machines of a site that belong to this component: those of its groups, or all where it declares none. */
export function machinesOf({ spec }: Playbook, site: Site | undefined): string[] {
  const names = Object.keys(declaredHosts(site)?.machines ?? {})
  const { groups } = spec
  if (groups === undefined) return names
  const chosen = new Set(Object.values(groups).flat())
  return names.filter((name) => chosen.has(name))
}

/** The group of a site: a group of Ansible has no hyphen. */
export const groupOfSite = (site: SiteName | string): string => site.replaceAll('-', '_')

/** Groups that every inventory has: of Ansible itself, and of Standby. */
const RESERVED_GROUPS = ['all', 'ungrouped', 'sites', 'active', 'passive']
/** Variables that Standby sets: another value would lead to another host, or to another role. */
export const RESERVED_VARIABLES = [
  'site',
  'site_role',
  'site_names',
  'active_site',
  'ansible_host',
  'ansible_port',
  'ansible_user',
  'ansible_ssh_private_key_file',
  'ansible_ssh_common_args',
  'ansible_host_key_checking',
]

/** What the schema cannot say. Pure. */
export function playbookProblems(component: Playbook, { sites }: Stack): SpecProblem[] {
  const { groups = {}, variables = {}, secrets = {} } = component.spec
  const machines = new Set(sites.flatMap((site) => Object.keys(declaredHosts(site)?.machines ?? {})))
  const ofSites = sites.map(({ name }) => groupOfSite(name))
  return [
    ...Object.entries(groups).flatMap(([group, names]): SpecProblem[] => [
      ...([...RESERVED_GROUPS, ...ofSites].includes(group)
        ? [{ path: ['groups', group], what: `${group} is a group that Standby makes itself` }]
        : []),
      ...names
        .filter((name) => !machines.has(name))
        .map((name) => ({
          path: ['groups', group],
          what: `no site declares a host ${name}`,
          candidates: [...machines],
        })),
    ]),
    ...sites
      .filter((site) => machinesOf(component, site).length === 0)
      .map(({ name }) => ({ path: ['playbook'], what: `${name} declares no host that this component deploys` })),
    ...ofSites
      .filter((group, index) => RESERVED_GROUPS.includes(group) || ofSites.indexOf(group) !== index)
      .map((group) => ({ path: ['playbook'], what: `a site cannot have the group ${group}: rename the site` })),
    ...[...Object.keys(variables).map((name) => ['variables', name] as const)].flatMap(([key, name]) =>
      RESERVED_VARIABLES.includes(name) ? [{ path: [key, name], what: `${name} is a variable that Standby sets` }] : [],
    ),
    ...Object.keys(secrets).flatMap((name): SpecProblem[] => {
      if (RESERVED_VARIABLES.includes(name))
        return [{ path: ['secrets', name], what: `${name} is a variable that Standby sets` }]
      return Object.hasOwn(variables, name) ? [{ path: ['secrets', name], what: `variables has ${name} too` }] : []
    }),
  ]
}

/** The deployer alone runs playbooks. The keys of the hosts are declared with the hosts. Pure. */
export function credentialUses({ spec: { secrets = {}, environment = {}, vault = {} } }: Playbook): CredentialUse[] {
  const use = (because: string) => (reference: CredentialReference) =>
    ({ reference, identities: ['deployer'], because }) satisfies CredentialUse
  return [
    ...Object.entries(secrets).map(([name, one]) => use(`the variable ${name} of a playbook`)(one)),
    ...Object.entries(environment).map(([name, one]) => use(`${name} in the environment of a playbook`)(one)),
    ...Object.entries(vault).map(([id, one]) => use(`opens Ansible Vault ${id}`)(one)),
  ]
}
