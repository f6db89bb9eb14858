import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { connect } from '../../../src/composition/connect.ts'
import type { StatusReport } from '../../../src/evidence/reports.ts'
import { observeDeclared } from '../../../src/operations/observe-declared.ts'
import { status } from '../../../src/operations/status.ts'
import { freePorts } from '../../support/server-process.ts'
import { type SshServer, startSshServer } from '../../support/ssh-server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

jest.setTimeout(60_000)

let one: SshServer
let nobody: number
beforeAll(async () => {
  one = await startSshServer('1'.repeat(32))
  ;[nobody = 0] = await freePorts(1)
}, 600_000)
afterAll(() => one.stop())

/** Two sites without a cluster; the second one, the witness and the archive do not answer. */
const textOf = (machineId: string): string => `
standby: 1
name: shop
initialActive: dc-a
sites:
  dc-a:
    hosts:
      ssh: { user: ${one.user}, privateKey: { env: SSH_KEY }, knownHosts: { file: known_hosts } }
      machines: { db-1: { address: 127.0.0.1, port: ${one.port}, machineId: "${machineId}" } }
  dc-b:
    hosts:
      ssh: { user: ${one.user}, privateKey: { env: SSH_KEY }, knownHosts: { file: known_hosts } }
      machines: { db-1: { address: 127.0.0.1, port: ${nobody} } }
witness:
  driver: s3
  endpoint: http://127.0.0.1:${nobody}
  region: us-east-1
  bucket: witness
  prefix: shop/
  credentials: { accessKeyId: { env: ID }, secretAccessKey: { env: SECRET } }
components:
  archive:
    driver: s3
    sites:
      dc-a: { ${store('a')} }
      dc-b: { ${store('b')} }
`
const store = (name: string): string =>
  `endpoint: "http://127.0.0.1:${nobody}", region: us-east-1, bucket: archive-${name}, credentials: { accessKeyId: { env: ID }, secretAccessKey: { env: SECRET } }`

async function worldOf(machineId: string, env: Readonly<Record<string, string>> = { SSH_KEY: one.privateKey }) {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'known_hosts'), one.knownHosts)
  const stackPath = join(folder, 'standby.yaml')
  writeFileSync(stackPath, textOf(machineId))
  const quiet = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  return connect({
    stackPath,
    signal: new AbortController().signal,
    log: quiet,
    mask: () => undefined,
    identity: 'observer',
    env: { ...process.env, ID: 'access-key-id', SECRET: 'secret-access-key', ...env },
    credentialsInput: null,
  })
}

test('status shows a stack of two sites of hosts: one that answers, and one that does not', async () => {
  const world = await worldOf('1'.repeat(32))
  const report: StatusReport = await status(world).finally(world.close)
  expect(report.sites).toMatchObject([
    { name: 'dc-a', reachable: true, text: expect.stringMatching(/^1 of 1 hosts, Linux .*, \d+ ms$/) },
    { name: 'dc-b', reachable: false, text: expect.stringMatching(/^db-1: .*refused/i) },
  ])
  const found = report.findings.find(({ code }) => code === 'site-silent')
  expect(found).toMatchObject({ site: 'dc-b', next: expect.stringContaining('sshd') })
})

test('nothing is done on a site whose host is another one than the stack file names', async () => {
  const world = await worldOf('2'.repeat(32))
  await expect(observeDeclared(world).finally(world.close)).rejects.toMatchObject({
    code: 'wrong-host',
    where: 'dc-a',
    next: expect.stringContaining('Nothing was changed'),
  })
})

test('a shared connection serves only those who declare the same host keys and the same key of their own', async () => {
  const world = await worldOf('1'.repeat(32))
  const declared = { host: '127.0.0.1', port: one.port, user: one.user, privateKey: one.privateKey }
  const open = (knownHosts: string, privateKey = one.privateKey) =>
    world.context.ssh({ ...declared, knownHosts, privateKey }, 'outside-sites')
  try {
    await expect(open(one.knownHosts).run('true')).resolves.toMatchObject({ code: 0 })
    expect(open(one.knownHosts)).toBe(open(one.knownHosts))
    const ofAnother = one.knownHosts.replace('127.0.0.1', '127.0.0.9')
    await expect(open(ofAnother).run('true')).rejects.toMatchObject({ code: 'ssh-host-key-mismatch' })
    await expect(open(one.knownHosts, 'not a key').run('true')).rejects.toMatchObject({ code: 'ssh-denied' })
  } finally {
    await world.close()
  }
})

test('a key that is not given is named before anything is contacted', async () => {
  await expect(worldOf('1'.repeat(32), {})).rejects.toMatchObject({
    code: 'credential-missing',
    message: expect.stringContaining('SSH_KEY'),
  })
})
