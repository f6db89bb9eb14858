import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { beforeAll, expect, jest, test } from '@jest/globals'
import { ensureAnsible } from '../../../../lab/ansible/ansible.ts'
import { awakeClock } from '../../../support/awake-clock.ts'
import { needs } from '../../../support/needs.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import { A, B, playbooksOf } from './playbooks.ts'

needs('ansible')
jest.setTimeout(180_000)

let bin: string
beforeAll(async () => {
  bin = await ensureAnsible(AbortSignal.timeout(300_000))
}, 300_000)

const signal = AbortSignal.timeout(3_600_000)
const failing = (code: string, ...parts: readonly string[]) => ({
  code,
  message: expect.stringMatching(
    new RegExp(parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*')),
  ),
})
const play = (tasks: string, hosts = 'sites'): string => `- hosts: ${hosts}
  gather_facts: false
  tasks:
${tasks.replaceAll(/^/gm, '    ')}
`
/** The folders of runs, which hold keys. */
const privateFolders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('standby-ansible-'))

const WRITES = play(`- name: Write the configuration
  ansible.builtin.template: { src: app.j2, dest: "{{ out }}/{{ inventory_hostname }}.conf", mode: "0600" }
- name: Write the key
  ansible.builtin.copy: { content: "{{ key }}", dest: "{{ out }}/{{ inventory_hostname }}.key", mode: "0600" }
  no_log: true
- name: Make a folder
  ansible.builtin.file: { path: "{{ out }}/{{ inventory_hostname }}.d", state: directory, mode: "0750" }
- block:
    - name: Try the old way
      ansible.builtin.command: /bin/false
      check_mode: false
      changed_when: false
  rescue:
    - name: Take the new way
      ansible.builtin.debug: { msg: rescued }
`)

test('a dry run names differences by host and task, a deploy makes them on its site alone, and the next finds none', async () => {
  const secrets = { PASSWORD: 'correct-horse', APP_KEY: '{{ 1 + 1 }} "battery" \\ staple' }
  const seen = playbooksOf(bin, {
    files: {
      'play.yml': WRITES,
      'app.j2':
        'role={{ site_role }} active={{ active_site }} of={{ site_names | join(",") }}\npassword={{ password }}\n',
    },
    spec: { secrets: { password: { env: 'PASSWORD' }, key: { env: 'APP_KEY' } } },
    secrets,
  })
  const unit = await seen.unitOf(B)
  const changes = await unit.diff(signal)
  expect(readdirSync(seen.out)).toEqual([])
  expect(changes.filter(({ object }) => object.startsWith('db1.dc-b/'))).toEqual([
    expect.objectContaining({
      kind: 'update',
      object: 'db1.dc-b/Write the configuration',
      from: '',
      to: expect.stringMatching(/^sha256:[0-9a-f]{12}$/),
    }),
    { kind: 'update', object: 'db1.dc-b/Write the key' },
    expect.objectContaining({ kind: 'create', object: 'db1.dc-b/Make a folder', path: join(seen.out, 'db1.dc-b.d') }),
  ])
  await unit.apply(signal)
  expect(await unit.ready(signal)).toMatchObject({ is: 'done', proof: { changed: { 'app.dc-b': 3, 'db1.dc-b': 3 } } })
  expect(readdirSync(seen.out).filter((name) => name.includes('dc-a'))).toEqual([])
  expect(readFileSync(join(seen.out, 'db1.dc-b.conf'), 'utf8')).toBe(
    'role=passive active=dc-a of=dc-a,dc-b\npassword=correct-horse\n',
  )
  // A secret is no template, whatever it holds.
  expect(readFileSync(join(seen.out, 'db1.dc-b.key'), 'utf8')).toBe(secrets.APP_KEY)
  expect(await unit.diff(signal)).toEqual([])

  // Live output, and no secret in it, in an argument or in a difference.
  expect(seen.log.join('\n')).toContain('TASK [Write the configuration]')
  const said = JSON.stringify([seen.log, seen.argv, changes])
  for (const secret of ['correct-horse', 'battery', 'the-private-key']) expect(said).not.toContain(secret)
  expect(seen.options.map(({ env }) => JSON.stringify(env)).join('')).not.toContain('correct-horse')
})

test('lines of files are shown where the stack file says so, and those of tasks with no_log never', async () => {
  const seen = playbooksOf(bin, {
    files: { 'play.yml': WRITES, 'app.j2': 'port=80\n' },
    spec: { variables: { key: 'battery' }, showContent: true },
  })
  const changes = JSON.stringify(await (await seen.unitOf(A)).diff(signal))
  expect(changes).toContain('port=80')
  expect(changes).not.toContain('battery')
})

test('a failed task ends the deploy with host, task and message, in which secrets are masked', async () => {
  const seen = playbooksOf(bin, {
    files: {
      'play.yml': play(`- name: Look at the licence
  ansible.builtin.fail: { msg: "the licence {{ password }} is over" }
  when: inventory_hostname == "db1.dc-b"
- name: Write
  ansible.builtin.copy: { content: x, dest: "{{ out }}/{{ inventory_hostname }}", mode: "0600" }
`),
    },
    spec: { secrets: { password: { env: 'PASSWORD' } } },
    secrets: { PASSWORD: 'correct-horse' },
  })
  const unit = await seen.unitOf(B)
  const error = failing('playbook-failed', 'db1.dc-b: task "Look at the licence": the licence *** is over')
  await expect(unit.diff(signal)).rejects.toMatchObject(error)
  expect(readdirSync(seen.out)).toEqual([])
  await expect(unit.apply(signal)).rejects.toMatchObject({ ...error, retry: 'never' })
  // Ansible goes on with the other hosts of the site.
  expect(readdirSync(seen.out)).toEqual(['app.dc-b'])
  expect(seen.log.join('\n')).not.toContain('correct-horse')
})

test('a module without a dry run counts as a difference, and so does what the dry run cannot reach', async () => {
  const seen = playbooksOf(bin, {
    files: {
      'play.yml': play(`- name: Ask the server
  ansible.builtin.command: /bin/true
- name: Make the file
  ansible.builtin.copy: { content: "a\\n", dest: "{{ out }}/{{ inventory_hostname }}", mode: "0600" }
- name: Change the file
  ansible.builtin.lineinfile: { path: "{{ out }}/{{ inventory_hostname }}", line: b }
`),
    },
    spec: { groups: { database: ['db1'] } },
  })
  const unit = await seen.unitOf(B)
  expect(await unit.diff(signal)).toEqual([
    { kind: 'update', object: 'db1.dc-b/Ask the server', why: 'its module has no dry run: it may change something' },
    expect.objectContaining({ object: 'db1.dc-b/Make the file' }),
    expect.objectContaining({
      object: 'db1.dc-b/Change the file',
      path: 'and the tasks after it',
      why: expect.stringContaining('does not exist'),
    }),
  ])
  await unit.apply(signal)
  expect(readFileSync(join(seen.out, 'db1.dc-b'), 'utf8')).toBe('a\nb\n')
})

test('a playbook of Vault is opened by a password that is gone from the disk when its first task runs', async () => {
  const folder = temporaryFolder()
  const password = join(folder, 'password')
  const plain = join(folder, 'secret.yml')
  writeFileSync(password, 'open-sesame\n')
  writeFileSync(plain, 'token: from-the-vault\n')
  execFileSync(
    join(bin, 'ansible-vault'),
    ['encrypt', '--vault-id', `prod@${password}`, '--encrypt-vault-id', 'prod', plain],
    {
      stdio: 'ignore',
      env: { PATH: process.env.PATH, HOME: folder, LC_ALL: 'C.UTF-8' },
    },
  )
  const files = {
    'play.yml': play(
      `- name: See what is on the disk
  ansible.builtin.command: ls {{ lookup('ansible.builtin.env', 'STANDBY_RESULTS') | dirname }}
  register: seen
- name: Keep it
  ansible.builtin.copy: { content: "{{ token }} {{ lookup('ansible.builtin.env', 'REGION') }} {{ seen.stdout_lines | join(' ') }}", dest: "{{ out }}/seen", mode: "0600" }
`,
      'database',
    ),
    'vars.yml': readFileSync(plain, 'utf8'),
  }
  const withVars = { ...files, 'play.yml': files['play.yml'].replace('  tasks:', '  vars_files: [vars.yml]\n  tasks:') }
  const spec = {
    groups: { database: ['db1'] },
    vault: { prod: { env: 'VAULT' } },
    environment: { REGION: { env: 'REGION' } },
  }
  const seen = playbooksOf(bin, { files: withVars, spec, secrets: { VAULT: 'open-sesame', REGION: 'north' } })
  await (await seen.unitOf(A)).apply(signal)
  const [token, region, ...onDisk] = readFileSync(join(seen.out, 'seen'), 'utf8').split(' ')
  expect([token, region]).toEqual(['from-the-vault', 'north'])
  expect(onDisk).toContain('inventory.json')
  expect(onDisk.filter((name) => name.startsWith('vault') || name === 'extra.yml')).toEqual([])
  expect(JSON.stringify(seen.argv)).not.toContain('open-sesame')

  const wrong = playbooksOf(bin, { files: withVars, spec, secrets: { VAULT: 'open-barley', REGION: 'north' } })
  await expect((await wrong.unitOf(A)).diff(signal)).rejects.toMatchObject({
    retry: 'never',
    message: expect.stringMatching(/[Dd]ecrypt/),
  })
  expect(readdirSync(wrong.out)).toEqual([])
})

test('a playbook that cannot be read is an error before anything is done', async () => {
  const seen = playbooksOf(bin, { files: { 'play.yml': '- hosts: sites\n  tusks: []\n' }, spec: {} })
  await expect((await seen.unitOf(A)).diff(signal)).rejects.toMatchObject(failing('ansible-failed', 'tusks'))
})

test('a cancelled run is gone within seconds, with all its processes and its private folder', async () => {
  const before = privateFolders()
  const cancelling = new AbortController()
  const seen = playbooksOf(bin, {
    files: {
      'play.yml': play(`- name: Wait long
  ansible.builtin.shell: "touch {{ out }}/begun-{{ inventory_hostname }}; exec sleep 98765"
`),
    },
    spec: {},
  })
  const unit = await seen.unitOf(A)
  const running = unit.apply(cancelling.signal)
  running.catch(() => undefined)
  while (!existsSync(join(seen.out, 'begun-db1.dc-a'))) await pause(100)
  const took = awakeClock()
  cancelling.abort(new Error('cancelled by the user'))
  await expect(running).rejects.toThrow('cancelled by the user')
  expect(took()).toBeLessThan(10_000)
  const processes = (): string => execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
  for (const end = performance.now() + 10_000; performance.now() < end && processes().includes('sleep 98765'); )
    await pause(200)
  expect(processes()).not.toContain('sleep 98765')
  expect(processes()).not.toContain(seen.out)
  expect(privateFolders().filter((name) => !before.includes(name))).toEqual([])
})

test('what runs after the active site waits for it, and takes a failure of its dry run for work that is left', async () => {
  const seen = playbooksOf(bin, {
    files: {
      'play.yml': play('- ansible.builtin.debug:'),
      'after.yml': play(`- name: Wait for the other
  ansible.builtin.stat: { path: "{{ out }}/there" }
  register: there
  failed_when: not there.stat.exists
`),
    },
    spec: { afterwards: 'after.yml' },
  })
  const [, after] = await seen.unitsOf(B)
  expect(after).toMatchObject({ id: 'hosts.afterwards@dc-b', needs: ['hosts.playbook@dc-b', 'hosts.playbook@dc-a'] })
  expect(await after?.diff(signal)).toEqual([
    expect.objectContaining({ object: 'app.dc-b/Wait for the other' }),
    expect.objectContaining({ object: 'db1.dc-b/Wait for the other' }),
  ])
  writeFileSync(join(seen.out, 'there'), '')
  await after?.apply(signal)
  expect(await after?.diff(signal)).toEqual([])
})

test('what a dry run found is applied without another dry run, also where it could not be reached before', async () => {
  const seen = playbooksOf(bin, {
    files: {
      'play.yml': play(`- name: Wait for the other
  ansible.builtin.stat: { path: "{{ out }}/there" }
  register: there
  failed_when: not there.stat.exists
- name: Do what has no dry run
  ansible.builtin.copy: { content: done, dest: "{{ out }}/{{ inventory_hostname }}", mode: "0600" }
  when: not ansible_check_mode
`),
      'after.yml': play('- ansible.builtin.debug:'),
    },
    spec: { playbook: 'after.yml', afterwards: 'play.yml' },
  })
  const [, after] = await seen.unitsOf(B)
  const runs = (): number => seen.argv.filter(([program]) => program?.endsWith('ansible-playbook')).length
  const found = await after?.diff(signal)
  const runsBefore = runs()
  writeFileSync(join(seen.out, 'there'), '')
  // The comparison right before the effect: nothing of the dry run would differ now.
  expect(await after?.diff(signal)).toEqual(found)
  expect(runs()).toBe(runsBefore)
  await after?.apply(signal)
  expect(readdirSync(seen.out)).toEqual(expect.arrayContaining(['app.dc-b', 'db1.dc-b']))
  expect(await after?.diff(signal)).toEqual([])
})
