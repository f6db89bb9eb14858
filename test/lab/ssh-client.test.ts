import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { type SshAccess, type SshRunner, sshRunner } from '../../src/clients/ssh.ts'
import { type SshServer, startSshServer } from '../support/ssh-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

let server: SshServer
const opened: SshRunner[] = []
const open = (more: Partial<SshAccess> = {}): SshRunner => {
  const { port, user, privateKey, knownHosts } = server
  const runner = sshRunner({ host: '127.0.0.1', port, user, privateKey, knownHosts, ...more })
  opened.push(runner)
  return runner
}

beforeAll(async () => {
  server = await startSshServer()
}, 600_000)
afterEach(async () => {
  await Promise.all(opened.splice(0).map((runner) => runner.close()))
})
afterAll(() => server.stop())

test('commands share one connection; input, outputs and exit codes are those of the remote command', async () => {
  const before = server.logins()
  const ssh = open()
  expect(await ssh.run('cat; echo warned >&2; exit 7', 'show map\n')).toEqual({
    code: 7,
    stdout: 'show map\n',
    stderr: 'warned\n',
  })
  const began = performance.now()
  for (let n = 0; n < 5; n++) expect((await ssh.run(`echo ${n}`)).stdout).toBe(`${n}\n`)
  expect(performance.now() - began).toBeLessThan(1_500)
  expect(server.logins() - before).toBe(1)
})

test('a key may be given as a path, and without its last line end', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'key'), server.privateKey, { mode: 0o600 })
  writeFileSync(join(folder, 'known'), server.knownHosts)
  expect((await open({ privateKey: join(folder, 'key'), knownHosts: join(folder, 'known') }).run('true')).code).toBe(0)
  expect((await open({ privateKey: server.privateKey.trimEnd() }).run('true')).code).toBe(0)
})

test('a host with another key than the known one is not talked to, nor is an unknown host', async () => {
  await expect(open({ knownHosts: server.foreignKnownHosts }).run('true')).rejects.toMatchObject({
    code: 'ssh-host-key-mismatch',
  })
  await expect(open({ knownHosts: '# none yet\n' }).run('true')).rejects.toMatchObject({
    code: 'ssh-host-key-mismatch',
    where: `tester@127.0.0.1:${server.port}`,
  })
})

test('a key that the host does not know, or that is none, is denied', async () => {
  await expect(open({ privateKey: server.strangersKey }).run('true')).rejects.toMatchObject({ code: 'ssh-denied' })
  await expect(open({ privateKey: 'no key\nat all' }).run('true')).rejects.toMatchObject({ code: 'ssh-denied' })
})

test('a host that refuses or is silent is unreachable, in time', async () => {
  await expect(open({ port: 1 }).run('true')).rejects.toMatchObject({ code: 'ssh-unreachable' })
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => sockets.add(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { readonly port: number }
  const began = performance.now()
  await expect(open({ port, connectTimeout: 1_000 }).run('true')).rejects.toMatchObject({ code: 'ssh-unreachable' })
  expect(performance.now() - began).toBeLessThan(2_500)
  for (const socket of sockets) socket.destroy()
  silent.close()
})

test('a command that does not end is left at its deadline, and the next one gets a connection of its own', async () => {
  const ssh = open()
  await expect(ssh.run('sleep 20', '', 700)).rejects.toMatchObject({
    code: 'process-timeout',
    message: 'a command on 127.0.0.1 did not end within 700 ms; it may go on',
  })
  expect((await ssh.run('echo again')).stdout).toBe('again\n')
})

test('nothing stays on disk after close', async () => {
  const before = new Set(readdirSync(tmpdir()))
  const ssh = open()
  await ssh.run('true')
  const made = readdirSync(tmpdir()).filter((name) => name.startsWith('standby-ssh-') && !before.has(name))
  expect(made).toHaveLength(1)
  await ssh.close()
  expect(existsSync(join(tmpdir(), made[0] ?? ''))).toBe(false)
})
