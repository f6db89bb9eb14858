import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, jest, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { runCli } from '../support/run-cli.ts'
import { planText } from '../support/small-stack.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

jest.setTimeout(60_000)

const root = join(import.meta.dirname, '..', '..')
const stack = join(root, 'stacks', 'infisical-kubernetes', 'standby.yaml')
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string }).version

describe('the command line', () => {
  test('lists what it can do, and its version', async () => {
    const help = await runCli(['--help'])
    expect(help.exitCode).toBe(0)
    for (const command of ['status', 'deploy', 'backup', 'verify-backup', 'failover', 'rbac', 'schema'])
      expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    expect((await runCli(['--version'])).stdout.trim()).toBe(version)
  })

  test.each([
    [['stauts'], 'Did you mean status?'],
    [['deploy', '--dryrun'], 'Did you mean --dry-run?'],
    [['failover', 'runbook'], '--plan'],
    [['failover', 'execute', '--plan', 'p.json', '--digest', 'x'], '--reason'],
  ])('ends %j with exit code 2 and says what was meant', async (args, says) => {
    const run = await runCli(args)
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain(says)
    expect(run.stdout).toBe('')
  })

  test('writes errors to stderr with code, place and next command, and nothing to stdout', async () => {
    const run = await runCli(['--stack', 'none.yaml', 'status'])
    expect(run.exitCode).toBe(2)
    expect(run.stdout).toBe('')
    expect(run.stderr).toBe(
      'standby: stack-not-found\n  the stack file none.yaml cannot be read (ENOENT)\n  where: none.yaml\n  next:  Name it with --stack, or the input `stack`.\n',
    )
  })

  test('prints the schema of the stack file as JSON', async () => {
    const schema = JSON.parse((await runCli(['schema'])).stdout) as {
      readonly $schema: string
      readonly properties: object
    }
    expect(schema.$schema).toContain('2020-12')
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['sites', 'witness', 'components']))
  })
})

describe('an old Node', () => {
  const asNode = (version: string): string =>
    `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`

  test.each(['18.19.1', '20.20.2', '22.12.0'])(
    '%s is named in one sentence by the command line, before anything is loaded',
    (version) => {
      const run = spawnSync(process.execPath, ['--import', asNode(version), join(root, 'dist', 'cli.js'), 'status'], {
        encoding: 'utf8',
      })
      expect(run.status).toBe(2)
      expect(run.stdout).toBe('')
      expect(run.stderr.split('\n').slice(0, 2)).toEqual([
        'standby: node-too-old',
        `  this is Node ${version}, and Standby needs Node 24 or newer`,
      ])
    },
  )

  test('is named by each action in an annotation', () => {
    for (const action of ['status', 'deploy', 'failover', 'verify-backup']) {
      const run = spawnSync(process.execPath, ['--import', asNode('20.9.0'), join(root, 'dist', `${action}.js`)], {
        encoding: 'utf8',
        env: { GITHUB_ACTIONS: 'true' },
      })
      expect(run.status).toBe(2)
      expect(run.stdout).toMatch(
        /^::error::node-too-old: this is Node 20\.9\.0, and Standby needs Node 24 or newer\. .*\n$/,
      )
    }
  })
})

describe('standby rbac', () => {
  test('prints Kubernetes objects per site, ready to be applied, without any credential being set', async () => {
    const run = await runCli(['--stack', stack, 'rbac', '--site', 'dc-a'])
    expect(run.stderr).toBe('')
    const objects = parseAllDocuments(run.stdout).map(
      (document) => document.toJS() as { kind: string; metadata: { name: string } } | null,
    )
    const kinds = objects.map((object) => object?.kind)
    for (const kind of ['Namespace', 'ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'])
      expect(kinds).toContain(kind)
    const accounts = objects
      .filter((object) => object?.kind === 'ServiceAccount')
      .map((object) => object?.metadata.name)
    expect(accounts).toEqual([
      'standby-observer',
      'standby-deployer',
      'standby-mover',
      'standby-restore-tester',
      'standby-guard',
    ])
  })

  test('gives no identity a wildcard outside the sandbox of restore tests, and the observer nothing that writes', async () => {
    const printed = JSON.parse((await runCli(['--stack', stack, '--json', 'rbac'])).stdout) as {
      readonly kubernetes: Record<
        string,
        {
          kind: string
          metadata: { name: string; namespace?: string }
          rules?: { verbs: string[]; resources: string[]; apiGroups: string[] }[]
        }[]
      >
      readonly s3: Record<string, { Statement: { Action: string[] }[] }>
    }
    expect(Object.keys(printed.kubernetes)).toEqual(['dc-a', 'dc-b'])
    const roles = Object.values(printed.kubernetes)
      .flat()
      .filter((object) => object.rules !== undefined)
    for (const { rules = [], metadata } of roles)
      for (const { verbs, resources, apiGroups } of rules) {
        if (metadata.namespace !== 'standby-restore-infisical')
          expect([...verbs, ...resources, ...apiGroups]).not.toContain('*')
        if (metadata.name.endsWith('observer') && !resources.includes('pods/exec'))
          expect(['get', 'list', 'watch', 'create']).toEqual(expect.arrayContaining(verbs))
      }
    expect(Object.keys(printed.s3)).toEqual(['observer', 'deployer', 'mover', 'restore-tester', 'guard'])
    for (const { Action } of printed.s3.observer?.Statement ?? [])
      expect(['s3:ListBucket', 's3:GetObject']).toEqual(expect.arrayContaining(Action))
  })

  test('knows which sites there are', async () => {
    const run = await runCli(['--stack', stack, 'rbac', '--site', 'dc-z'])
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain('dc-a, dc-b')
  })
})

describe('a move from the command line', () => {
  test('prints the digest of a plan file, whatever the order of its keys', async () => {
    const folder = temporaryFolder()
    const plan = JSON.parse(planText()) as object
    writeFileSync(join(folder, 'a.json'), JSON.stringify(plan))
    writeFileSync(join(folder, 'b.json'), JSON.stringify(Object.fromEntries(Object.entries(plan).reverse()), null, 2))
    const [a, b] = await Promise.all(['a.json', 'b.json'].map((name) => runCli(['digest', join(folder, name)])))
    expect(a?.stdout).toMatch(/^[0-9a-f]{64}\n$/)
    expect(b?.stdout).toBe(a?.stdout)
  })
})
