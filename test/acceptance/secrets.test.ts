import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { openObjectStore } from '../../src/clients/object-store.ts'
import { kubeconfigOf } from '../support/kubeconfig.ts'
import { type ObjectStoreServer, startObjectStore } from '../support/object-store.ts'
import { type ActionName, runAction } from '../support/run-action.ts'
import { runCli } from '../support/run-cli.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

jest.setTimeout(120_000)

/** Each in a form of its own, so that a leak says where it comes from. */
const MARKS = {
  POWER_PASSWORD: 'mark-power-"quoted"\\7f3a',
  CLOUD_TOKEN: 'mark-cloud/9c1d+e',
  STORE_SECRET: '',
  KUBE_TOKEN: 'mark-kube-token-51ab',
  GITHUB: 'ghs_mark_of_the_job_token',
  MISSPELT: 'mark-misspelt-hunter2',
  RUNNER: 'mark-of-the-runner-0b7e',
}

let store: ObjectStoreServer
let folder: string
let stack: string
let credentials: Record<string, string>
let secrets: string[]

beforeAll(async () => {
  store = await startObjectStore()
  folder = temporaryFolder()
  const { accessKeyId, secretAccessKey, bucket } = store.access()
  MARKS.STORE_SECRET = secretAccessKey
  const power = program(
    'power',
    `echo "off? $POWER_PASSWORD"; echo "token $POWER_PASSWORD $(printf %s "$POWER_PASSWORD" | base64)" >&2; exit 3`,
  )
  const login = program('login', 'echo "session of $CLOUD_TOKEN has expired" >&2; exit 1')
  const kubeconfig = (user: string): string => kubeconfigOf({ url: 'https://127.0.0.1:1', user })
  credentials = {
    KUBECONFIG_DC_A: kubeconfig(`exec: { apiVersion: client.authentication.k8s.io/v1, command: ${login} }`),
    KUBECONFIG_DC_B: kubeconfig(`token: ${MARKS.KUBE_TOKEN}`),
    STORE_KEY: accessKeyId,
    STORE_SECRET: secretAccessKey,
    POWER_PASSWORD: MARKS.POWER_PASSWORD,
    CLOUD_TOKEN: MARKS.CLOUD_TOKEN,
  }
  secrets = Object.values(MARKS).flatMap((mark) => [
    mark,
    Buffer.from(mark).toString('base64'),
    JSON.stringify(mark).slice(1, -1),
  ])
  const keys = '{ accessKeyId: { env: STORE_KEY }, secretAccessKey: { env: STORE_SECRET } }'
  const call = `{ run: ["${power}", "--ask"], environment: { POWER_PASSWORD: { env: POWER_PASSWORD } } }`
  const site = (name: string): string =>
    `  ${name}: { kubernetes: { kubeconfig: { env: KUBECONFIG_${name.toUpperCase().replace('-', '_')} }, clusterId: 00000000-0000-0000-0000-000000000001 } }`
  stack = join(folder, 'standby.yaml')
  writeFileSync(
    stack,
    `standby: 1
name: secret
sites:
${site('dc-a')}
${site('dc-b')}
initialActive: dc-a
witness: { driver: s3, endpoint: "${store.endpoint}", region: us-east-1, bucket: ${bucket}, prefix: witness/, credentials: ${keys} }
components:
  power:
    driver: command
    sites:
      dc-a: { off: ${call}, isOff: ${call} }
      dc-b: { off: ${call}, isOff: ${call} }
`,
  )
})
afterAll(() => store.stop())

/** A program that writes what it got into a file beside it. */
function program(name: string, script: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\nenv > "${path}.env"\nprintf '%s\\n' "$@" > "${path}.argv"\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}
const gotBy = (name: string, what: 'env' | 'argv'): string =>
  existsSync(join(folder, `${name}.${what}`)) ? readFileSync(join(folder, `${name}.${what}`), 'utf8') : ''

function expectNoSecret(text: string, where: string): void {
  const found = secrets.filter((secret) => secret !== '' && text.includes(secret))
  expect({ where, found }).toEqual({ where, found: [] })
}

/** Everything that the witness holds: journal, plans, records and evidence. */
async function kept(): Promise<string> {
  const client = openObjectStore({ ...store.access(), endpoint: store.endpoint })
  const objects = await client.list('')
  return (await Promise.all(objects.map(async ({ key }) => `${key} ${(await client.get(key))?.body}`))).join('\n')
}

const runnerEnv = { GITHUB_TOKEN: MARKS.GITHUB, ACTIONS_RUNTIME_TOKEN: MARKS.RUNNER, RUNNER_TRACKING_ID: MARKS.RUNNER }
const execute = { to: 'dc-b', confirm: 'dc-b', digest: 'a1'.repeat(32), 'github-token': MARKS.GITHUB }
const planFile = join(temporaryFolder(), 'plan.json')
const ACTIONS: readonly (readonly [ActionName, Readonly<Record<string, string>>])[] = [
  ['status', {}],
  ['deploy', { 'dry-run': 'true' }],
  ['deploy', {}],
  ['verify-backup', { site: 'dc-b' }],
  ['failover', { operation: 'plan', to: 'dc-b', mode: 'failover', 'accept-data-loss': '5m', plan: planFile }],
  ['failover', { operation: 'execute', ...execute, plan: planFile }],
  ['failover', { operation: 'resume', ...execute }],
  ['failover', { operation: 'abort', ...execute }],
]

test.each(ACTIONS)(
  'the action %s with %j lets no secret out, into no file and into no child that it is not for',
  async (action, inputs) => {
    const run = await runAction(action, {
      with: { stack, credentials: JSON.stringify(credentials), ...inputs },
      env: runnerEnv,
    })
    expectNoSecret(run.leaked, 'log, annotations, outputs and summary')
    expectNoSecret(await kept(), 'the witness')
    if (existsSync(planFile)) expectNoSecret(readFileSync(planFile, 'utf8'), 'the plan')
    for (const name of ['power', 'login']) {
      expect(gotBy(name, 'env')).not.toMatch(/^(INPUT_|GITHUB_|ACTIONS_|RUNNER_|STANDBY_)/m)
      expectNoSecret(gotBy(name, 'argv'), `arguments of ${name}`)
    }
    expect(gotBy('power', 'env')).not.toContain('CLOUD_TOKEN')
  },
)

test('what the programs are for, they get', async () => {
  await runAction('status', { with: { stack, credentials: JSON.stringify(credentials) } })
  expect(gotBy('power', 'env')).toContain(`POWER_PASSWORD=${MARKS.POWER_PASSWORD}`)
  expect(gotBy('login', 'env')).toContain(`CLOUD_TOKEN=${MARKS.CLOUD_TOKEN}`)
})

const COMMANDS: readonly (readonly string[])[] = [
  ['status'],
  ['--json', 'status'],
  ['deploy', '--dry-run'],
  ['failover', 'plan', '--to', 'dc-b', '--mode', 'failover', '--accept-data-loss', '5m'],
  ['verify-backup', '--site', 'dc-b'],
  ['evidence', 'list'],
]
test.each(COMMANDS.map((args) => [args.join(' '), args] as const))(
  'the command %s lets no secret out',
  async (_, args) => {
    const env = { ...credentials, ...runnerEnv, STANDBY_LOGIN_ENV: 'CLOUD_TOKEN' }
    const run = await runCli(['--stack', stack, ...args], { env })
    expectNoSecret(run.stdout + run.stderr, 'the terminal')
    expectNoSecret(await kept(), 'the witness')
    expect(gotBy('login', 'env')).not.toContain('STORE_SECRET')
  },
)

test.each(['secretAccesKey', 'pasword', 'credential'])(
  'a secret after the misspelt key %s is in no message',
  async (key) => {
    const text = readFileSync(stack, 'utf8').replace(
      'prefix: witness/,',
      `prefix: witness/, ${key}: ${MARKS.MISSPELT},`,
    )
    const wrong = join(folder, 'wrong.yaml')
    writeFileSync(wrong, text)
    const run = await runAction('status', { with: { stack: wrong, credentials: JSON.stringify(credentials) } })
    expect(run.outputs['reason-code']).toBe('stack-invalid')
    expectNoSecret(run.leaked, 'log, annotations, outputs and summary')
    const cli = await runCli(['--stack', wrong, 'status'], { env: credentials })
    expectNoSecret(cli.stdout + cli.stderr, 'the terminal')
  },
)
