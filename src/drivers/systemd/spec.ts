import type { Claim, SpecProblem } from '../../domain/declaration.ts'
import type { Component, SiteName, Stack } from '../../domain/stack.ts'
import { declaredHosts } from '../../platform/hosts/declared-hosts.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { HOST_PATH, PLAIN_WORD, siteMap, text, UNIT_NAME } from '../../schema/parts.ts'
import {
  canarySchema,
  type DeclaredCanary,
  identityProblems,
  identitySchema,
  type ProvedSpec,
} from '../../systems/application/declaration.ts'
import { placeholderProblems } from '../../systems/application/restored-endpoint.ts'
import type { JsonObject } from '../../values/json.ts'
import { fullName } from './unit-state.ts'

/** A stateless application as units of systemd on hosts. */
export interface SystemdSpec extends ProvedSpec {
  /** By site and host: the units in the order in which they are started. */
  readonly units: Readonly<Record<string, UnitsOfSite>>
  /** Where the application answers, as its own host reaches it. */
  readonly url?: string
  readonly health?: { readonly path: string; readonly expect?: readonly number[] }
  readonly version?: DeclaredVersion
  readonly mustMatch?: readonly { readonly file: string; readonly keys: readonly string[] }[]
  readonly canary?: DeclaredCanary
  readonly restoreTest?: DeclaredRestoreTest
}
/** How one instance of the application is started on restored data, in the sandbox of the hosts. */
export interface DeclaredRestoreTest {
  readonly run: readonly string[]
  readonly environmentFile?: string
  readonly environment: Readonly<Record<string, string>>
  readonly url: string
}
export type UnitsOfSite = Readonly<Record<string, readonly string[]>>
export type DeclaredVersion = { readonly run: readonly string[] } | { readonly path: string; readonly answer?: string }
export type Application = Component<SystemdSpec>

/** An address is joined with a path, and stands in single quotes in a shell. */
const URL_PATH = '^/[^\\s\'"\\\\]*$'

const versionSchema: JsonObject = {
  description:
    'Which version a host has: a program there that says it in its last line, or an answer of the application while it runs.',
  type: 'object',
  oneOf: [
    {
      required: ['run'],
      additionalProperties: false,
      properties: {
        run: {
          description:
            'A program on the host and its arguments; no shell reads them. It works while the units are stopped too.',
          type: 'array',
          minItems: 1,
          items: { type: 'string', minLength: 1 },
          examples: [['cat', '/opt/infisical/version']],
        },
      },
    },
    {
      required: ['path'],
      additionalProperties: false,
      properties: {
        path: text('The path, after `url`.', { pattern: URL_PATH, examples: ['/api/status'] }),
        answer: text('JSON Pointer to the version in the answer; the whole answer when absent.', {
          pattern: '^(/([^~/]|~[01])*)+$',
        }),
      },
    },
  ],
}

export const systemdSchema: JsonObject = fieldsOf<SystemdSpec>()({
  description:
    'A stateless application as units of systemd on hosts: it runs on the active site, and is stopped on the others.',
  required: ['units'],
  properties: {
    units: siteMap('The units of each site.', {
      description: 'By the names of the hosts.',
      type: 'object',
      minProperties: 1,
      maxProperties: 50,
      propertyNames: { description: 'A machine in the hosts of the site.', pattern: PLAIN_WORD },
      additionalProperties: {
        description: 'Its units, in the order in which they are started. They are stopped in the opposite order.',
        type: 'array',
        minItems: 1,
        uniqueItems: true,
        items: text('A unit. Without a suffix it is a service.', { pattern: UNIT_NAME, examples: ['infisical'] }),
      },
    }),
    url: text(
      'Where the application answers, asked on its own host with curl. {address} stands for the address of the host.',
      { pattern: '^https?://[A-Za-z0-9.:{}\\[\\]-]+$', examples: ['http://127.0.0.1:8080', 'http://{address}:8080'] },
    ),
    health: {
      description: 'The page that says that the application serves. Without it, units that run count as well.',
      type: 'object',
      required: ['path'],
      additionalProperties: false,
      properties: {
        path: text('The path, after `url`.', { pattern: URL_PATH, examples: ['/api/status'] }),
        expect: {
          description: 'The statuses that count as well. Default: 200 to 299.',
          type: 'array',
          minItems: 1,
          items: { type: 'integer', minimum: 100, maximum: 599 },
        },
      },
    },
    version: versionSchema,
    mustMatch: {
      description: 'Keys of environment files that must be equal on every host; compared by hash, never shown.',
      type: 'array',
      items: {
        type: 'object',
        required: ['file', 'keys'],
        additionalProperties: false,
        properties: {
          file: text('An environment file on the hosts, with one KEY=value in a line.', {
            pattern: HOST_PATH,
            examples: ['/etc/infisical.env'],
          }),
          keys: {
            description: 'The keys of it that must be equal.',
            type: 'array',
            minItems: 1,
            items: text('A key of it.', { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }),
          },
        },
      },
    },
    identity: identitySchema,
    canary: canarySchema(),
    restoreTest: {
      description:
        "How one instance of the application is started on restored data, in the sandbox of the hosts, with the passive site's own keys.",
      type: 'object',
      required: ['run', 'environment', 'url'],
      additionalProperties: false,
      properties: {
        run: {
          description:
            'The program on the machine of the sandbox and its arguments; it stays in the foreground, and no shell reads them.',
          type: 'array',
          minItems: 1,
          items: { type: 'string', minLength: 1 },
          examples: [['/usr/local/bin/node', '/opt/infisical/server.mjs']],
        },
        environmentFile: text(
          'The environment file of the passive site that it starts with, read on the first host of the site.',
          {
            pattern: HOST_PATH,
            examples: ['/etc/infisical.env'],
          },
        ),
        environment: {
          description:
            'What is replaced in it, and set beside it; ${database.host}, ${database.user}, ${cache.port} … stand for the restored copies.',
          type: 'object',
          propertyNames: { description: 'The name of a variable.', pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
          additionalProperties: { type: 'string' },
        },
        url: text('Where it answers inside the sandbox, which has a network of its own.', {
          pattern: '^http://(127[.]0[.]0[.]1|localhost)(:[0-9]+)?$',
          examples: ['http://127.0.0.1:8080'],
        }),
      },
    },
  },
})

/** The hosts of a site and their units, in the order in which they are started. */
export function unitsAt(
  { name, spec }: Application,
  site: SiteName | string,
): [host: string, units: readonly string[]][] {
  const declared = spec.units[site]
  if (declared === undefined) throw new Error(`${name} declares no units for ${site}`)
  return Object.entries(declared)
}

/** How people call the application: the names of its units, each once. */
export const nameOf = ({ spec }: Application): string =>
  [...new Set(Object.values(spec.units).flatMap((hosts) => Object.values(hosts).flat()))].join(' and ')

/** The address of the application on one of its hosts; null where none is declared. Pure. */
export const addressOn = ({ spec }: Application, address: string): string | null =>
  spec.url?.replaceAll('{address}', address.includes(':') ? `[${address}]` : address) ?? null

export const claimsOf = ({ spec }: Application): Claim[] =>
  Object.entries(spec.units).flatMap(([site, hosts]) =>
    Object.entries(hosts).flatMap(([host, units]) =>
      units.map((unit) => ({
        key: `systemd ${site} ${host} ${fullName(unit)}`,
        path: ['units', site, host],
      })),
    ),
  )

/** What the schema cannot say. Pure. */
export function applicationProblems(component: Application, stack: Stack): SpecProblem[] {
  const { spec } = component
  const machinesOf = (site: string): string[] =>
    Object.keys(declaredHosts(stack.sites.find(({ name }) => name === site))?.machines ?? {})
  const undeclared = Object.entries(spec.units).flatMap(([site, hosts]) => {
    const machines = machinesOf(site)
    const instead = machines.length === 0 ? ', and no hosts at all' : `; there are ${machines.join(', ')}`
    return Object.keys(hosts)
      .filter((host) => !machines.includes(host))
      .map((host) => ({
        path: ['units', site, host],
        what: `${site} declares no host ${host}${instead}`,
        candidates: machines,
      }))
  })
  const placeholders = [...(spec.url ?? '').matchAll(/\{[^}]*\}?/g)]
    .map(([whole]) => whole)
    .filter((whole) => whole !== '{address}')
  const asked = [
    ...(spec.health === undefined ? [] : ['health']),
    ...(spec.canary === undefined ? [] : ['canary']),
    ...(spec.version !== undefined && 'path' in spec.version ? ['version'] : []),
  ]
  return [
    ...undeclared,
    ...placeholders.map((whole) => ({ path: ['url'], what: `${whole} is filled with nothing; known is {address}` })),
    ...(spec.url === undefined
      ? asked.map((key) => ({ path: [key], what: 'it asks the application, and url does not say where that answers' }))
      : []),
    ...identityProblems(spec, stack),
    ...restoreTestProblems(component, stack),
  ]
}

function restoreTestProblems(component: Application, { components }: Stack): SpecProblem[] {
  const { restoreTest, health, canary } = component.spec
  if (restoreTest === undefined) return []
  const names = components.map(({ name }) => name)
  return [
    ...(health === undefined && canary === undefined
      ? [{ path: ['restoreTest'], what: 'nothing says that the application serves: declare health or canary' }]
      : []),
    ...Object.entries(restoreTest.environment).flatMap(([variable, value]) =>
      placeholderProblems(value, component, names).map((what) => ({
        path: ['restoreTest', 'environment', variable],
        what,
      })),
    ),
  ]
}
