import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { ensureAnsible } from '../../../../lab/ansible/ansible.ts'
import type { DeclaredHosts } from '../../../../src/platform/hosts/declared-hosts.ts'
import { needs } from '../../../support/needs.ts'
import { freePorts } from '../../../support/server-process.ts'
import { type SshServer, startSshServer } from '../../../support/ssh-server.ts'
import { A, playbooksOf } from './playbooks.ts'

needs('ansible', 'debian')
jest.setTimeout(180_000)

let bin: string
let server: SshServer
let nobody: number
beforeAll(async () => {
  bin = await ensureAnsible(AbortSignal.timeout(300_000))
  server = await startSshServer()
  ;[nobody = 0] = await freePorts(1)
}, 600_000)
afterAll(() => server.stop())

const signal = AbortSignal.timeout(3_600_000)
const PLAY = `- hosts: sites
  gather_facts: false
  tasks:
    - name: Ask who logs in
      ansible.builtin.command: id -un
      register: who
      check_mode: false
      changed_when: false
    - name: Expect the user without rights
      ansible.builtin.assert: { that: who.stdout == "tester" }
`
const VARIABLES = 'ansible_python_interpreter: /usr/bin/python3\nansible_pipelining: true\n'
const hostsWith = (machines: DeclaredHosts['machines']): DeclaredHosts => ({
  ssh: {
    user: server.user,
    privateKey: { env: 'KEY' },
    knownHosts: { env: 'KNOWN' },
    jump: { host: '127.0.0.1', port: server.port },
  },
  machines,
})
const there = () => ({ address: '127.0.0.1', port: server.port })

test('hosts are reached over ssh with the declared user and key, through the jump host, and one that is not is silence', async () => {
  const seen = playbooksOf(bin, {
    files: { 'play.yml': PLAY, 'group_vars/all.yml': VARIABLES },
    spec: {},
    ssh: hostsWith({ db1: there(), app: { address: '127.0.0.1', port: nobody } }),
    secrets: { KEY: server.privateKey, KNOWN: `${server.knownHosts}\n[127.0.0.1]:${nobody} ssh-ed25519 AAAA` },
  })
  const before = server.logins()
  await expect((await seen.unitOf(A)).diff(signal)).rejects.toMatchObject({
    code: 'ansible-host-silent',
    retry: 'transient',
    message: expect.stringMatching(/^app\.dc-a: task "Ask who logs in": [^;]*$/),
  })
  // The jump host and the host itself; its task passed, or it would be named.
  expect(server.logins() - before).toBeGreaterThanOrEqual(2)
})

test('a host with another key than the declared one gets no task', async () => {
  const seen = playbooksOf(bin, {
    files: {
      'play.yml': PLAY,
      'group_vars/all.yml': VARIABLES,
      'ansible.cfg': '[defaults]\nhost_key_checking = false\n',
    },
    spec: {},
    ssh: hostsWith({ db1: there() }),
    secrets: { KEY: server.privateKey, KNOWN: server.foreignKnownHosts },
  })
  const before = server.logins()
  await expect((await seen.unitOf(A)).diff(signal)).rejects.toMatchObject({ code: 'ansible-host-silent' })
  expect(server.logins()).toBe(before)
})
