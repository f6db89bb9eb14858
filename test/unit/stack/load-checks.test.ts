import { execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Observation } from '../../../src/observation/observation.ts'
import { findingsOf } from '../../../src/planning/findings.ts'
import { scheduleProblem } from '../../../src/stack/cron.ts'
import { loadStack, parseStack } from '../../../src/stack/load-stack.ts'
import { StackInvalid } from '../../../src/stack/problems.ts'
import { kinds, pathOfStack, problemsOf, replaced, textOfStack } from '../../support/published-stacks.ts'

const infisical = textOfStack('infisical-kubernetes')
const told = (text: string): string[] => problemsOf(text).map(({ path, what }) => `${path}: ${what}`)
const warned = (text: string): string[] =>
  (parseStack(text, 'standby.yaml', kinds).warnings ?? []).map(({ path, what }) => `${path}: ${what}`)

describe('at load is refused', () => {
  test.each<[string, string, string, string]>([
    [
      'a prefix that leads out of its folder',
      '      prefix: redis',
      '      prefix: ../redis',
      'components.cache.backup.prefix',
    ],
    [
      'a prefix that leads up in its middle',
      'prefix: postgresql',
      'prefix: postgresql/../../x',
      'components.database.archive.prefix',
    ],
    ['a prefix of the witness that leads up', 'prefix: infisical/', 'prefix: a/../', 'witness.prefix'],
    ['a bucket that is a path', 'bucket: standby-witness', 'bucket: ../standby-witness', 'witness.bucket'],
    [
      'a bucket with a character that is not seen',
      'bucket: standby-witness',
      'bucket: "standby\\u0007witness"',
      'witness.bucket',
    ],
    [
      'a text that turns round what is read',
      'environment: prod\n',
      'environment: "prod\\u202E"\n',
      'components.application.canary.environment',
    ],
    [
      'an endpoint with a path',
      'https://s3.witness.example.com',
      'https://s3.witness.example.com/bucket',
      'witness.endpoint',
    ],
    ['an endpoint with a blank', 'https://s3.witness.example.com', '"https://s3.witness .com"', 'witness.endpoint'],
    [
      'an endpoint for a shell',
      'https://s3.witness.example.com',
      '"https://s3.example.com;reboot"',
      'witness.endpoint',
    ],
    [
      'one backend for two sites',
      '{ dc-a: dc-a, dc-b: dc-b }',
      '{ dc-a: web, dc-b: web }',
      'components.traffic.backends.dc-b',
    ],
    [
      'a backend that stands for closed doors',
      '{ dc-a: dc-a, dc-b: dc-b }',
      '{ dc-a: be_none, dc-b: dc-b }',
      'components.traffic.backends.dc-a',
    ],
    ['a guard that asks each millisecond', 'every: 5s', 'every: 1ms', 'components.guard.every'],
    ['a guard that is patient for years', 'silence: 60s', 'silence: 900d', 'components.guard.silence'],
    ['a plan that waits for ten years', 'expiry: 2h', 'expiry: 3650d', 'approval.expiry'],
    ['a plan that expires at once', 'expiry: 2h', 'expiry: 1ms', 'approval.expiry'],
    ['a chart version that is a range', 'version: 1.7.5', 'version: ">=1.7.0"', 'components.application.chart.version'],
    ['a chart version that moves', 'version: 1.7.5', 'version: latest', 'components.application.chart.version'],
    [
      'a placeholder of no component',
      '${cache.host}',
      '${cash.host}',
      'components.application.restoreTest.environment.REDIS_URL',
    ],
    [
      'a placeholder of no field',
      '${cache.host}',
      '${cache.hots}',
      'components.application.restoreTest.environment.REDIS_URL',
    ],
    [
      'a placeholder that is never closed',
      '${cache.host}',
      '${cache.host',
      'components.application.restoreTest.environment.REDIS_URL',
    ],
    [
      'a schedule of Redis with six fields',
      'schedule: 0 * * * *',
      'schedule: 0 0 * * * *',
      'components.cache.backup.schedule',
    ],
    [
      'a schedule of the database with five',
      'schedule: 0 15 2 * * *',
      'schedule: 15 2 * * *',
      'components.database.schedule',
    ],
    [
      'an hour that no clock shows',
      'schedule: 0 15 2 * * *',
      'schedule: 0 15 24 * * *',
      'components.database.schedule',
    ],
    [
      'a name that is too long for its jobs',
      '    name: redis\n',
      `    name: ${'r'.repeat(41)}\n`,
      'components.cache.name',
    ],
    [
      'a database for a shell',
      'database: infisical\n    owner',
      'database: "infisical; rm -rf /"\n    owner',
      'components.database.database',
    ],
    ['an owner for a shell', 'owner: infisical\n', 'owner: "$(id)"\n', 'components.database.owner'],
    [
      'a host for a shell',
      'host: lb-1.example.com',
      'host: "lb-1 -oProxyCommand=x"',
      'components.traffic.instances.0.host',
    ],
    [
      'a host with a port',
      'host: lb-1.example.com',
      'host: lb-1.example.com:22',
      'components.traffic.instances.0.host',
    ],
    ['one load balancer twice', 'host: lb-2.example.com', 'host: lb-1.example.com', 'components.traffic.instances.1'],
    [
      'one address for two databases',
      'host: 192.0.2.12',
      'host: 192.0.2.11',
      'components.database.sites.dc-b.streaming.host',
    ],
    [
      'a port that does not exist',
      'https://s3.witness.example.com',
      'https://s3.witness.example.com:99999',
      'witness.endpoint',
    ],
    ['a bucket that is an address', 'bucket: standby-witness', 'bucket: 192.0.2.1', 'witness.bucket'],
    ['an environment of two lines', 'production-failover', '"production\\nfailover"', 'approval.github.environment'],
    ['a branch with a blank', 'branch: main', 'branch: "main "', 'approval.github.branch'],
    ['a branch that git refuses', 'branch: main', 'branch: release/../main', 'approval.github.branch'],
    [
      'an image that is a URL',
      'image: docker.io/library/redis:7.4.6',
      'image: http://docker.io/redis',
      'components.cache.image',
    ],
    [
      'an image in upper case',
      'image: docker.io/library/redis:7.4.6',
      'image: docker.io/Redis:7',
      'components.cache.image',
    ],
    ['a key that is a folder', 'key: password', 'key: ..', 'components.cache.password.key'],
    [
      'keys with a blank',
      'ENCRYPTION_KEY, AUTH',
      '"ENCRYPTION KEY", AUTH',
      'components.application.mustMatch.0.keys.0',
    ],
    [
      'a chart in a folder',
      'name: infisical-standalone',
      'name: ../infisical-standalone',
      'components.application.chart.name',
    ],
    ['backups that end at once', 'retention: 7d', 'retention: 1ms', 'components.cache.backup.retention'],
    ['a schedule that never occurs', 'schedule: 0 * * * *', 'schedule: 0 0 31 2 *', 'components.cache.backup.schedule'],
    [
      'an option in place of a host',
      'host: lb-1.example.com',
      'host: -oProxyCommand=x',
      'components.traffic.instances.0.host',
    ],
  ])('%s', (_, passage, by, path) => {
    const found = problemsOf(replaced(infisical, passage, by))
    expect(found.map((problem) => problem.path)).toContain(path)
    expect(found.every(({ line }) => line !== null)).toBe(true)
  })
})

describe('a stack file is loaded with a warning about', () => {
  const dcB = '00000000-0000-0000-0000-00000000000b'
  test.each<[string, string, string, string]>([
    [
      'one cluster for two sites',
      dcB,
      '00000000-0000-0000-0000-00000000000a',
      'sites.dc-b.kubernetes.clusterId: is the cluster of dc-a too',
    ],
    [
      'one kubeconfig for two sites',
      '_KUBECONFIG_DC_B',
      '_KUBECONFIG_DC_A',
      'sites.dc-b.kubernetes.kubeconfig: is the kubeconfig of dc-a too',
    ],
    ['a store without encryption', 'https://s3.dc-b.example.com', 'http://s3.dc-b.example.com', 'is not encrypted'],
    [
      'a witness without encryption',
      'https://s3.witness.example.com',
      'http://s3.witness.example.com',
      'witness.endpoint: http:',
    ],
    [
      'a witness in the bucket of a site',
      'bucket: infisical-dc-b',
      'bucket: standby-witness\n        prefix: b/',
      'witness.bucket: is the store of',
    ],
    [
      'a fence that nothing can shut',
      'components:\n',
      'fencing: { failover: power }\ncomponents:\n',
      'fencing.failover: no component of this stack can shut power',
    ],
  ])('%s', (what, passage, by, warning) => {
    let text = replaced(infisical, passage, by)
    if (what.includes('bucket')) text = replaced(text, 'https://s3.dc-b.example.com', 'https://s3.witness.example.com')
    expect(told(text)).toEqual([])
    expect(warned(text)).toEqual([expect.stringContaining(warning)])
  })

  test('nothing in the published stacks, nor about a store in a private network', () => {
    expect(warned(infisical)).toEqual([])
    for (const endpoint of ['http://10.1.2.3:9000', 'http://minio:9000', 'http://s3.dc-b.lab', 'http://127.0.0.1'])
      expect(warned(replaced(infisical, 'https://s3.dc-b.example.com', endpoint))).toEqual([])
  })

  test('that status shows too, with the line', () => {
    const text = replaced(infisical, '_KUBECONFIG_DC_B', '_KUBECONFIG_DC_A')
    const seen = {
      at: '2026-11-29T00:00:00Z',
      witness: { kind: 'answering', active: null, lock: null },
      sites: {},
      components: {},
    }
    const [finding] = findingsOf(
      parseStack(text, '/somewhere/standby.yaml', kinds),
      seen as unknown as Observation,
      null,
      {},
    )
    const line = text.split('\n').findLastIndex((one) => one.includes('STANDBY_KUBECONFIG_DC_A')) + 1
    expect(finding).toMatchObject({
      code: 'stack-warning',
      severity: 'info',
      what: expect.stringContaining(`standby.yaml:${line} sites.dc-b`),
    })
  })
})

test.each<[string, 5 | 6, string | null]>([
  ['0 * * * *', 5, null],
  ['*/5 0-6,22 1 JAN-MAR MON', 5, null],
  ['0 15 2 * * 0', 6, null],
  ['0 0 29 2 *', 5, null],
  ['0 0 31 1-2 *', 5, null],
  ['0 0 31 2 */2', 5, null],
  ['0 0 20/5 2 *', 5, null],
  ['0 0 0 31 4,6,9,11 *', 6, 'never occurs'],
  ['0 0 30-31 FEB ?', 5, 'never occurs'],
  ['@hourly', 5, 'has 1 field'],
  ['0 0 * * * *', 5, 'has 6 fields'],
  ['60 * * * *', 5, '60 is not a valid minute'],
  ['0 * * * 7', 5, '7 is not a valid weekday'],
  ['0 * 0 * *', 5, '0 is not a valid day'],
  ['5-1 * * * *', 5, '5-1 is not a valid minute'],
  ['*/0 * * * *', 5, 'is not a valid minute'],
  ['0 * L * *', 5, 'L is not a valid day'],
  ['0 * * * MO', 5, 'MO is not a valid weekday'],
])('the schedule %s of %d fields: %s', (schedule, fields, problem) => {
  if (problem === null) expect(scheduleProblem(schedule, fields)).toBeNull()
  else expect(scheduleProblem(schedule, fields)).toContain(problem)
})

describe('a file that the stack names', () => {
  let folder = ''
  let home = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'standby-named-'))
    home = join(folder, 'stack')
    await cp(dirname(pathOfStack('infisical-kubernetes')), home, { recursive: true })
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))
  const values = (): string => join(home, 'values', 'database.yaml')
  const load = () => loadStack(join(home, 'standby.yaml'), kinds)
  const problems = async (): Promise<string[]> => {
    const refusal: unknown = await load().catch((error: unknown) => error)
    return refusal instanceof StackInvalid
      ? refusal.problems.map(({ path, what, line }) => `${path}:${line === null} ${what}`)
      : []
  }
  const refused = (what: string) => [
    expect.stringContaining(`components.database.cluster.file:false values/database.yaml ${what}`),
  ]

  test.each<[string, string, () => Promise<unknown>]>([
    ['is a folder', 'is folder', () => mkdir(values())],
    ['is a pipe without a writer', 'is a pipe', async () => execFileSync('mkfifo', [values()])],
    ['is not YAML', 'is not YAML (line 2', () => writeFile(values(), 'a: 1\nb: [')],
    ['is a list', 'must hold a mapping', () => writeFile(values(), '- a\n')],
    ['holds two documents', 'holds more than one document', () => writeFile(values(), 'a: 1\n---\nb: 2\n')],
  ])('%s: it is refused at load', async (_, what, make) => {
    await unlink(values())
    await make()
    expect(await problems()).toEqual(refused(what))
  })

  test('is a socket: it is refused at load', async () => {
    await unlink(values())
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(values(), resolve))
    expect(await problems()).toEqual(refused('is a socket'))
    await new Promise((resolve) => server.close(resolve))
  })

  test('is too large: it is refused at load', async () => {
    await writeFile(values(), `a: ${'x'.repeat(9 * 1024 * 1024)}`)
    expect(await problems()).toEqual([expect.stringContaining('values/database.yaml is larger than 8 MiB')])
  })

  test('outside of the folder, by its name or by a link, is reported', async () => {
    await writeFile(join(folder, 'elsewhere.yaml'), 'instances: 3\n')
    await unlink(values())
    await symlink(join(folder, 'elsewhere.yaml'), values())
    expect((await load()).warnings).toMatchObject([
      { what: expect.stringContaining('is outside of the folder of the stack file') },
    ])
    const named = replaced(infisical, 'file: values/database.yaml', 'file: ../elsewhere.yaml')
    await writeFile(join(home, 'standby.yaml'), named)
    expect((await load()).warnings).toMatchObject([{ path: 'components.database.cluster.file' }])
  })

  describe('as a chart', () => {
    const chart = (): string => join(home, 'chart')
    beforeEach(async () => {
      await mkdir(join(chart(), 'templates'), { recursive: true })
      await writeFile(join(chart(), 'Chart.yaml'), 'name: chart\nversion: 1.0.0\n')
      const declared = infisical.replace(/chart: \{ repository: .*\}/, 'chart: { path: chart }')
      await writeFile(join(home, 'standby.yaml'), declared)
    })

    test('counts with what its links lead to, in the digest that people approve', async () => {
      await mkdir(join(folder, 'shared'))
      await writeFile(join(folder, 'shared', 'deployment.yaml'), 'one')
      await symlink(join(folder, 'shared'), join(chart(), 'templates', 'shared'))
      const before = (await load()).source.digest
      await writeFile(join(folder, 'shared', 'deployment.yaml'), 'another')
      expect((await load()).source.digest).not.toBe(before)
    })

    test('may hold a link that leads back to itself, and is read to its end', async () => {
      await symlink('..', join(chart(), 'templates', 'up'))
      expect((await load()).source.digest).toMatch(/^[0-9a-f]{64}$/)
    })

    test('must be one', async () => {
      await unlink(join(chart(), 'Chart.yaml'))
      expect(await problems()).toEqual([expect.stringContaining('holds no Chart.yaml')])
    })
  })
})
