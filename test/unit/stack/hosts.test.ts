import { describe, expect, test } from '@jest/globals'
import { stringify } from 'yaml'
import { declaredHosts } from '../../../src/platform/hosts/declared-hosts.ts'
import { hostsPlatform } from '../../../src/platform/hosts/platform.ts'
import { parseStack } from '../../../src/stack/load-stack.ts'
import { kinds, problemsOf } from '../../support/published-stacks.ts'

const keys = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } }
const ssh = { user: 'standby', privateKey: { env: 'SSH_KEY' }, knownHosts: { file: 'known_hosts' } }
const hosts = (address: string, more: object = {}) => ({ hosts: { ssh, machines: { db: { address } }, ...more } })
const store = (site: string) => ({
  endpoint: `https://s3.${site}.example.com`,
  region: 'us-east-1',
  bucket: `archive-${site}`,
  credentials: keys,
})

/** Two sites without a cluster, and one component that stands outside of both. */
const declared = (sites: object, components: object = {}): string =>
  stringify(
    {
      standby: 1,
      name: 'shop',
      sites,
      initialActive: 'dc-a',
      witness: {
        driver: 's3',
        endpoint: 'https://witness.example.com',
        region: 'us-east-1',
        bucket: 'witness',
        prefix: 'shop/',
        credentials: keys,
      },
      components: { archive: { driver: 's3', sites: { 'dc-a': store('dc-a'), 'dc-b': store('dc-b') } }, ...components },
    },
    { aliasDuplicateObjects: false },
  )
const problems = (sites: object, components?: object) =>
  problemsOf(declared(sites, components)).map(({ path, what }) => `${path}: ${what}`)
const warnings = (sites: object) =>
  parseStack(declared(sites), 'standby.yaml', kinds).warnings?.map(({ path, what }) => `${path}: ${what}`) ?? []

describe('hosts in the stack file', () => {
  test('a site of hosts alone is a site', () => {
    const { sites } = parseStack(
      declared({ 'dc-a': hosts('10.1.0.1'), 'dc-b': hosts('10.2.0.1') }),
      'standby.yaml',
      kinds,
    )
    expect(sites.map((site) => declaredHosts(site)?.machines)).toEqual([
      { db: { address: '10.1.0.1' } },
      { db: { address: '10.2.0.1' } },
    ])
    expect(sites.flatMap((site) => hostsPlatform.credentials(site).map(({ reference }) => reference))).toEqual([
      ssh.privateKey,
      ssh.knownHosts,
      ssh.privateKey,
      ssh.knownHosts,
    ])
  })

  test('a site of nothing is refused', () => {
    expect(problems({ 'dc-a': hosts('10.1.0.1'), 'dc-b': {} })).toEqual([
      expect.stringMatching(/^sites\.dc-b: has 0 of at least 1 entries/),
    ])
  })

  test('a component that stands on a cluster is refused where a site declares none', () => {
    const watchman = { driver: 'guard', image: 'docker.io/library/node:24', witnessCredentials: keys }
    expect(problems({ 'dc-a': hosts('10.1.0.1'), 'dc-b': hosts('10.2.0.1') }, { guard: watchman })).toEqual([
      'components.guard.driver: guard stands on kubernetes, which is not declared for dc-a, dc-b',
    ])
  })

  test('a key in a Secret is refused: hosts are reached whether or not a cluster answers', () => {
    const secret = { secret: { namespace: 'shop', name: 'ssh', key: 'key' } }
    const inSecret = { hosts: { ssh: { ...ssh, privateKey: secret }, machines: { db: { address: '10.1.0.1' } } } }
    expect(problems({ 'dc-a': inSecret, 'dc-b': hosts('10.2.0.1') })).toEqual([
      expect.stringContaining('sites.dc-a.hosts.ssh.privateKey: must be { env } or { file }'),
    ])
  })

  test('a sandbox on a machine that is not declared is refused', () => {
    const sandbox = { machine: 'db-1', directory: '/var/lib/standby' }
    expect(problems({ 'dc-a': hosts('10.1.0.1', { sandbox }), 'dc-b': hosts('10.2.0.1') })).toEqual([
      expect.stringContaining('sites.dc-a.hosts.sandbox.machine: there is no machine db-1'),
    ])
  })

  test('two sites on one machine are a warning, by its id or by its address', () => {
    const id = 'a'.repeat(32)
    const named = (address: string) => ({ hosts: { ssh, machines: { db: { address, machineId: id } } } })
    const what = 'is the machine db of dc-a too: what stands on it is lost with it'
    expect(warnings({ 'dc-a': named('10.1.0.1'), 'dc-b': named('10.2.0.1') })).toEqual([
      `sites.dc-b.hosts.machines.db.machineId: ${what}`,
    ])
    expect(warnings({ 'dc-a': hosts('10.1.0.1'), 'dc-b': hosts('10.1.0.1') })).toEqual([
      `sites.dc-b.hosts.machines.db.address: ${what}`,
    ])
  })

  test('a runbook names the login of each host, with its port and its jump host', () => {
    const behind = {
      hosts: {
        ssh: { ...ssh, jump: { host: 'gate', user: 'ops', port: 2200 } },
        machines: { db: { address: '10.1.0.1', port: 2222 } },
      },
    }
    const { sites } = parseStack(declared({ 'dc-a': behind, 'dc-b': hosts('10.2.0.1') }), 'standby.yaml', kinds)
    expect(sites.map((site) => hostsPlatform.byHand.identify(site))).toEqual([
      'ssh -p 2222 -J ops@gate:2200 standby@10.1.0.1 cat /etc/machine-id   # the machineId of db in the stack file?',
      'ssh standby@10.2.0.1 cat /etc/machine-id   # the machineId of db in the stack file?',
    ])
  })
})
