import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import type { MachinesEnvironment } from '../../../lab/machines/environment.ts'
import { adaptedStackFile } from '../../../lab/machines/stack.ts'
import { type MachineName, machineRoles, siteNames } from '../../../lab/topology.ts'
import { checkStack } from '../../../src/operations/check-stack.ts'
import { SANDBOX_USER } from '../../../src/platform/hosts/empty-sandbox.ts'
import { sandboxName } from '../../../src/platform/hosts/sandbox-units.ts'
import { selfSigned } from '../../support/certificate.ts'
import { kinds } from '../../support/published-stacks.ts'

const published = resolve(import.meta.dirname, '..', '..', '..', 'stacks', 'infisical-on-premise')
const text = readFileSync(join(published, 'standby.yaml'), 'utf8')
const difference = readFileSync(join(published, 'with-consul.yaml'), 'utf8')
/** The part of the stack file that roles must agree with. */
interface Declared {
  readonly name: string
  readonly sites: Readonly<
    Record<string, { readonly hosts: { readonly sandbox: { readonly machine: string; readonly directory: string } } }>
  >
  readonly components: {
    readonly hosts: { readonly groups: Readonly<Record<string, readonly string[]>> }
    readonly database: {
      readonly store: { readonly kind: string; readonly endpoints: Readonly<Record<string, readonly string[]>> }
      readonly backups: { readonly folder: string; readonly stanzas: Readonly<Record<string, string>> }
    }
  }
}
interface Difference {
  readonly components: { readonly hosts: { readonly environment: Readonly<Record<string, object>> } }
}
const declared = parse(text) as Declared
const defaultsOf = (role: string): Readonly<Record<string, string>> =>
  parse(readFileSync(join(published, 'ansible', 'roles', role, 'defaults', 'main.yml'), 'utf8'))

const home = mkdtempSync(join(tmpdir(), 'standby-adapted-'))
afterAll(() => rmSync(home, { recursive: true }))

test('each site archives into the stanza and the folder that the stack file declares', () => {
  const { folder, stanzas } = declared.components.database.backups
  const { pgbackrest_stanza = '', pgbackrest_path } = defaultsOf('pgbackrest')
  const made = siteNames.map((site) => [site, pgbackrest_stanza.replace('{{ site }}', site)])
  expect(stanzas).toEqual(Object.fromEntries(made))
  expect(pgbackrest_path).toBe(`/${folder}`)
})

test('with Consul, the deployer gives the role each secret that it reads', () => {
  const variables = readFileSync(join(published, 'ansible', 'group_vars', 'all.yml'), 'utf8')
  const read = [...variables.matchAll(/'(CONSUL_[A-Z_]+?)_?'/g)].map(([, name = '']) => name)
  const given = Object.keys((parse(difference) as Difference).components.hosts.environment)
  expect(new Set(given.map((name) => name.replace(/_DC_[ABC]$/, '')))).toEqual(new Set(read))
  for (const site of siteNames) expect(given).toContain(`CONSUL_PRIVATE_KEY_${site.toUpperCase().replace('-', '_')}`)
})

test('the roles make the sandbox that the stack file declares, on the machine of each site, which has the application', () => {
  const { sandbox_directory, sandbox_user, sandbox_stack = '' } = defaultsOf('sandbox')
  const { groups } = declared.components.hosts
  for (const site of siteNames) {
    const { machine, directory } = declared.sites[site]?.hosts.sandbox ?? {}
    expect(directory).toBe(sandbox_directory)
    expect([groups.sandbox, groups.application]).toEqual([[machine], [machine]])
  }
  expect(sandbox_user).toBe(SANDBOX_USER)
  expect(sandbox_stack).toBe(declared.name)
  const tasks = readFileSync(join(published, 'ansible', 'roles', 'sandbox', 'tasks', 'main.yml'), 'utf8')
  expect(tasks).toContain(`/${sandboxName('{{ sandbox_stack }}')}`)
})

test.each([
  { store: 'etcd', consul: undefined, difference: '', port: 2379 },
  { store: 'consul', consul: { certificates: '/certificates' }, difference, port: 8501 },
])(
  'the stack file with $store stays sound with the values of the lab, whose object store speaks TLS',
  async (given) => {
    const keys = (name: string) => ({ accessKeyId: name, secretAccessKey: `${name}-secret` })
    const lab = {
      sites: siteNames.map((name) => ({
        name,
        machines: machineRoles.map((role, index) => ({
          name: `${name}-${role}` satisfies MachineName,
          role,
          address: `192.0.2.${name.charCodeAt(3)}${index}`,
          machineId: `${index}`.repeat(32),
        })),
      })),
      login: { user: 'standby', privateKey: '/key', knownHosts: '/known' },
      s3: {
        endpoint: 'http://192.0.2.1:9000',
        region: 'us-east-1',
        root: keys('root'),
        secure: { endpoint: 'https://192.0.2.1:9443', host: 's3', port: 9443, authority: '/authority.pem' },
      },
      loadBalancers: [{ host: '192.0.2.2', frontends: [{ url: 'http://192.0.2.2' }] }],
      ...(given.consul === undefined ? {} : { consul: given.consul }),
    } as unknown as MachinesEnvironment
    cpSync(published, home, { recursive: true })
    writeFileSync(join(home, 'object-store.pem'), selfSigned().cert)
    const path = join(home, 'standby.yaml')
    const adapted = adaptedStackFile(text, lab, '/bin/ansible-playbook', given.difference)
    writeFileSync(path, adapted)
    const { store } = (parse(adapted) as Declared).components.database
    expect(store.kind).toBe(given.store)
    expect(store.endpoints['dc-a']?.[0]).toMatch(new RegExp(`:${given.port}$`))
    expect(await checkStack(path, kinds)).toMatchObject({ verdict: 'sound', problems: [] })
  },
)
