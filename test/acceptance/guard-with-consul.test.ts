import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../lab/until.ts'
import { createActive, readActive, replaceActive } from '../../src/witness/active.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'
import { aclText, witnessAclRules } from '../../src/witness/consul/acl-rules.ts'
import { openConsulStore } from '../../src/witness/consul/store.ts'
import { type ConsulWorld, startConsul } from '../support/consul/server.ts'
import { kubeconfigOf } from '../support/kubeconfig.ts'
import { freePorts } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

jest.setTimeout(120_000)

const folder = temporaryFolder()
let consul: ConsulWorld
let witness: ConditionalStore
beforeAll(async () => {
  consul = await startConsul(['dc-c'], { acl: true })
  witness = await openConsulStore(
    {
      endpoint: consul.datacenter('dc-c').url,
      datacenter: 'dc-c',
      prefix: 'shop/',
      token: { env: consul.managementToken },
    },
    {
      stack: 'shop',
      signal: new AbortController().signal,
      credential: async (reference) => ('env' in reference ? reference.env : ''),
      login: () => Promise.reject(new Error('no login is declared')),
      file: () => Promise.reject(new Error('no file is named')),
    },
  )
}, 120_000)
afterAll(() => consul.stop())

/** Of a site whose API server does not run: what the guard believes does not depend on it. */
async function stackFile(): Promise<{ readonly path: string; readonly kubeconfig: string }> {
  const [closed = 0] = await freePorts(1)
  const kubeconfig = join(folder, 'kubeconfig')
  writeFileSync(kubeconfig, kubeconfigOf({ url: `https://127.0.0.1:${closed}`, user: 'token: none' }))
  const path = join(folder, 'standby.yaml')
  const site = '{ kubernetes: { kubeconfig: { env: KUBECONFIG }, clusterId: 0b0b0b0b-0000-4000-8000-000000000000 } }'
  writeFileSync(
    path,
    `standby: 1
name: shop
sites: { dc-a: ${site}, dc-b: ${site} }
initialActive: dc-a
witness: { driver: consul, endpoint: "${consul.datacenter('dc-c').url}", datacenter: dc-c, prefix: shop/, token: { env: TOKEN } }
components:
  guard:
    driver: guard
    image: docker.io/library/node:24
    witnessCredentials: { token: { env: TOKEN } }
    every: 500ms
    silence: 10s
`,
  )
  return { path, kubeconfig }
}

test('a guard reads a witness in Consul with a token that reads active.json alone, and follows it', async () => {
  const { path, kubeconfig } = await stackFile()
  await createActive(witness, {
    schemaVersion: 1,
    stack: 'shop',
    epoch: 1,
    activeSite: 'dc-a',
    since: '2026-11-20T00:00:00.000Z',
    run: 'r',
  })
  const token = await consul.createToken(aclText(witnessAclRules('guard', 'shop/')))
  const program = join(import.meta.dirname, '..', 'support', 'guard-command.ts')
  const guard = spawn(
    process.execPath,
    [program, '--stack', path, 'guard', '--site', 'dc-a', '--kubeconfig', kubeconfig],
    { env: { PATH: process.env.PATH ?? '', STANDBY_GUARD_TOKEN: token }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let said = ''
  for (const stream of [guard.stdout, guard.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const says = (what: string): Promise<unknown> =>
    until(`the guard to say "${what}"`, { deadline: 60_000, every: 100, hint: async () => said }, async () =>
      said.includes(what),
    )
  try {
    await says('dc-a is the active site (epoch 1')
    const active = await readActive(witness)
    if (active === null) throw new Error('there is no active record')
    await replaceActive(witness, { ...active.record, epoch: 2, activeSite: 'dc-b' }, active)
    await says('dc-a is not the active site (epoch 2')
    expect(said).not.toContain(token)
  } finally {
    guard.kill('SIGKILL')
  }
})
