import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import type { Component, SiteName, Stack } from '../../../../src/domain/stack.ts'
import { inventoryOf } from '../../../../src/drivers/ansible/inventory.ts'
import { changesAfterwards, changesOf, type Ended, errorOf } from '../../../../src/drivers/ansible/judge-results.ts'
import { missingFiles } from '../../../../src/drivers/ansible/missing-files.ts'
import { assessStatus, summarized } from '../../../../src/drivers/ansible/observe.ts'
import { parseResults } from '../../../../src/drivers/ansible/parse-results.ts'
import { extraVariablesOf } from '../../../../src/drivers/ansible/private-files.ts'
import { argumentsOf } from '../../../../src/drivers/ansible/run-playbook.ts'
import { type AnsibleSpec, playbookProblems } from '../../../../src/drivers/ansible/spec.ts'
import { acceptedVersion } from '../../../../src/drivers/ansible/version.ts'
import type { DeclaredHosts } from '../../../../src/platform/hosts/declared-hosts.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const hosts: DeclaredHosts = {
  ssh: {
    user: 'standby',
    privateKey: { env: 'KEY' },
    knownHosts: { env: 'KNOWN' },
    jump: { host: 'gate.example.com', user: 'ops' },
  },
  machines: { db1: { address: '10.0.0.1', port: 2222 }, db2: { address: '10.0.0.2' }, app: { address: 'fd00::3' } },
}
const stack = {
  sites: [A, B].map((name) => ({ name, platforms: { hosts: hosts as unknown as JsonObject } })),
} as unknown as Stack
const componentWith = (spec: Partial<AnsibleSpec>): Component<AnsibleSpec> =>
  ({ name: 'hosts', driver: 'ansible', needs: [], spec: { playbook: 'a/site.yml', ...spec } }) as never

describe('the inventory that the stack file gives', () => {
  const files = (site: SiteName) => ({ privateKey: `/p/key-${site}`, knownHosts: `/p/100% known-${site}` })
  const inventory = inventoryOf(componentWith({ groups: { database: ['db1', 'db2'] } }), stack, A, files)

  test('has each host once, with what ssh needs and its role', () => {
    expect(inventory.sites).toMatchObject({
      hosts: {
        'db1.dc-a': {
          ansible_host: '10.0.0.1',
          ansible_port: 2222,
          ansible_user: 'standby',
          site: 'dc-a',
          site_role: 'active',
        },
        'db2.dc-b': {
          ansible_port: 22,
          ansible_ssh_private_key_file: '/p/key-dc-b',
          site: 'dc-b',
          site_role: 'passive',
        },
      },
    })
    expect(JSON.stringify(inventory)).not.toContain('fd00::3')
  })

  test('has groups for all sites, for each site, for each role and for each declared group', () => {
    const [ofA, ofB] = [
      { 'db1.dc-a': {}, 'db2.dc-a': {} },
      { 'db1.dc-b': {}, 'db2.dc-b': {} },
    ]
    expect(inventory).toMatchObject({
      active: { hosts: ofA },
      passive: { hosts: ofB },
      dc_a: { hosts: ofA },
      dc_b: { hosts: ofB },
      database: { hosts: { ...ofA, ...ofB } },
    })
  })

  test('leads through the jump host with the same trust, and no option of ssh is cut at a blank', () => {
    const { hosts: all } = inventory.sites as {
      readonly hosts: Record<string, { readonly ansible_ssh_common_args: string }>
    }
    const said = all['db1.dc-a']?.ansible_ssh_common_args ?? ''
    expect(said).toContain("-o StrictHostKeyChecking=yes -o 'UserKnownHostsFile=/p/100% known-dc-a'")
    expect(said).toContain('-l ops -W')
    expect(said).toContain('gate.example.com')
    expect(said).toContain('100%% known-dc-a')
  })
})

describe('what Ansible is given', () => {
  test('arguments name files, the group of the site, tags and vault ids', () => {
    const component = componentWith({ tags: ['config', 'units'], skipTags: ['slow'], inventories: ['mine.yml'] })
    const files = { inventory: '/p/inventory.json', extraVariables: '/p/extra.yml', vaultIds: ['prod@/p/vault-prod'] }
    expect(argumentsOf(component, { site: B, playbook: 'a/site.yml', how: 'check' }, files, '/stack')).toEqual(
      '--inventory /stack/mine.yml --inventory /p/inventory.json --limit dc_b --extra-vars @/p/extra.yml --vault-id prod@/p/vault-prod --tags config,units --skip-tags slow --check --diff /stack/a/site.yml'.split(
        ' ',
      ),
    )
  })

  test('variables are YAML, in which a secret is no template and the role of the sites cannot be replaced', () => {
    const component = componentWith({ variables: { ports: [80, 443], active_site: 'dc-b' } })
    expect(extraVariablesOf(component, stack, A, { token: '{{ x }}\n"y"' })).toBe(
      'ports: [80,443]\nactive_site: "dc-a"\nsite_names: ["dc-a","dc-b"]\ntoken: !unsafe "{{ x }}\\n\\"y\\""\n',
    )
  })

  test('ansible-core from 2.14 to before 3 is accepted', () => {
    expect(acceptedVersion('ansible-playbook', 'ansible-playbook [core 2.19.14]\n  config file = None')).toBe('2.19.14')
    expect(acceptedVersion('ansible-playbook', 'ansible-playbook [core 2.14.18]')).toBe('2.14.18')
    for (const said of [
      'ansible-playbook [core 2.13.9]',
      'ansible-playbook [core 3.0.0]',
      'ansible-playbook 2.9.27',
      '',
    ])
      expect(() => acceptedVersion('ansible-playbook', said)).toThrow(/ansible-core/)
  })
})

describe('a declaration that cannot be meant', () => {
  const problems = (spec: Partial<AnsibleSpec>) =>
    playbookProblems(componentWith(spec), stack).map(({ path, what }) => `${path.join('.')}: ${what}`)

  test('a group of Standby, an unknown machine and a site without a machine are refused', () => {
    expect(problems({ groups: { active: ['db1'], dc_b: ['db1'], cache: ['db9'] } })).toEqual([
      'groups.active: active is a group that Standby makes itself',
      'groups.dc_b: dc_b is a group that Standby makes itself',
      'groups.cache: no site declares a host db9',
    ])
    expect(problems({ groups: { cache: ['db9'] } })).toContain(
      'playbook: dc-a declares no host that this component deploys',
    )
  })

  test('a variable of Standby, and one that is a secret too, are refused', () => {
    expect(
      problems({
        variables: { ansible_host: 'x', token: 'y' },
        secrets: { active_site: { env: 'A' }, token: { env: 'T' } },
      }),
    ).toEqual([
      'variables.ansible_host: ansible_host is a variable that Standby sets',
      'secrets.active_site: active_site is a variable that Standby sets',
      'secrets.token: variables has token too',
    ])
    expect(problems({})).toEqual([])
  })
})

test('a playbook, a later playbook and an inventory that do not exist are refused before anything is run', async () => {
  const directory = temporaryFolder()
  writeFileSync(join(directory, 'site.yml'), '')
  const component = componentWith({ playbook: 'site.yml', afterwards: 'later.yml', inventories: ['mine.yml'] })
  const source = { directory } as Stack['source']
  expect(await missingFiles(component, { source })).toEqual([
    { path: ['afterwards'], what: 'later.yml does not exist' },
    { path: ['inventories', '0'], what: 'mine.yml does not exist' },
  ])
})

/** Lines that the plugin wrote in a run of ansible-core 2.19.14; those of 2.14.18 differ in texts of modules alone. */
const line = (more: object): string =>
  JSON.stringify({ host: 'db1.dc-b', changed: false, hidden: false, unchecked: false, msg: '', diff: [], ...more })
const totals = (failures: number, unreachable = 0): string =>
  JSON.stringify({ event: 'stats', hosts: { 'db1.dc-b': { changed: 0, failures, unreachable } } })
const ended = (lines: readonly string[], code = 0, stderr = ''): Ended => ({
  code,
  stderr,
  results: parseResults(['{"event": "start"}', ...lines, ''].join('\n')),
})
const OK = line({ event: 'ok', task: 'Write', changed: true })
const FAILED = line({ event: 'failed', task: 'Start', ignored: false, msg: 'no such unit' })

describe('the result of a run', () => {
  test('a failure is an error of the dry run, unless an earlier task of its host was not done yet', () => {
    expect(() => changesOf(ended([FAILED, totals(1)], 2), 'dc-b')).toThrow('db1.dc-b: task "Start": no such unit')
    expect(changesOf(ended([OK, FAILED, totals(1)], 2), 'dc-b')).toEqual([
      { kind: 'update', object: 'db1.dc-b/Write' },
      expect.objectContaining({ object: 'db1.dc-b/Start', path: 'and the tasks after it' }),
    ])
    const other = line({ event: 'ok', host: 'db2.dc-b', task: 'Write', changed: true })
    expect(() => changesOf(ended([other, FAILED, totals(1)], 2), 'dc-b')).toThrow('no such unit')
  })

  test('two dry runs read the same, in whichever order the hosts of a task end', () => {
    const [app, db1] = [{ host: 'app.dc-b' }, { host: 'db1.dc-b' }]
    const written = (of: object): string => line({ event: 'ok', task: 'Write', changed: true, ...of })
    const failed = (of: object): string => line({ event: 'failed', task: 'Await', ignored: false, msg: 'no', ...of })
    const ofEach = { changed: 1, failures: 1, unreachable: 0 }
    const both = JSON.stringify({ event: 'stats', hosts: { 'app.dc-b': ofEach, 'db1.dc-b': ofEach } })
    const one = [written(app), written(db1), failed(app), failed(db1), both]
    const other = [written(db1), written(app), failed(db1), failed(app), both]
    for (const changes of [changesOf, changesAfterwards])
      expect(changes(ended(other, 2), 'dc-b')).toEqual(changes(ended(one, 2), 'dc-b'))
    expect(errorOf(ended(other, 2), 'dc-b')?.message).toBe(errorOf(ended(one, 2), 'dc-b')?.message)
  })

  test('a failure that the playbook ignores or rescues is none', () => {
    const ignored = line({ event: 'failed', task: 'Try', ignored: true, msg: 'x' })
    expect(errorOf(ended([ignored, FAILED, totals(0)]), 'dc-b')).toBeNull()
  })

  test('a host that was not reached is silence, and another try may help', () => {
    const unreached = line({ event: 'unreachable', task: 'Write', msg: 'Connection timed out' })
    expect(errorOf(ended([unreached, totals(0, 1)], 4), 'dc-b')).toMatchObject({
      code: 'ansible-host-silent',
      retry: 'transient',
      unanswered: true,
    })
  })

  test('a hidden failure names host and task, and says that its result is hidden', () => {
    const hidden = JSON.stringify({ event: 'failed', host: 'db1.dc-b', task: 'Log in', hidden: true, ignored: false })
    expect(errorOf(ended([hidden, totals(1)], 2), 'dc-b')?.message).toContain('"Log in": its result is hidden (no_log)')
  })

  test('a run without totals is never a success, and a line that was cut off is left out', () => {
    expect(errorOf(ended([OK, '{"event": "ok", "ho']), 'dc-b')).toMatchObject({
      code: 'ansible-failed',
      retry: 'never',
    })
    expect(errorOf(ended([], 250, 'ERROR! Unexpected Exception\n'), 'dc-b')?.message).toContain('Unexpected Exception')
  })

  test('equal attributes are no difference; a made, a changed and a removed file are', () => {
    const diff = (before: object | string, after: object | string) => ({ path: '/x', before, after, prepared: null })
    const task = (name: string, one: object) => line({ event: 'ok', task: name, changed: true, diff: [one] })
    const made = task('Make', diff({ state: 'absent' }, { state: 'directory' }))
    const gone = task('Remove', diff({ state: 'file' }, { state: 'absent' }))
    const changed = task('Change', diff('sha256:1', 'sha256:2'))
    const touched = task('Restart', diff({ path: '/x' }, { path: '/x' }))
    const same = line({ event: 'ok', task: 'Keep', diff: [diff({ path: '/x' }, { path: '/x' })] })
    expect(
      changesOf(ended([made, gone, changed, touched, same, totals(0)]), 'dc-b').map(
        ({ kind, object }) => `${kind} ${object}`,
      ),
    ).toEqual(['create db1.dc-b/Make', 'delete db1.dc-b/Remove', 'update db1.dc-b/Change', 'update db1.dc-b/Restart'])
  })
})

test('hosts that do not answer or have no Python are warnings, and no silence of the component', () => {
  const seen = summarized({
    hosts: {
      db1: { is: 'answering', python: '3.11.2' },
      db2: { is: 'answering', python: null },
      app: { is: 'silent', why: 'refused' },
    },
  })
  expect(seen).toMatchObject({ kind: 'answering', health: 'degraded', text: '1 of 3 hosts ready, Python 3.11.2' })
  const around = { stack } as never
  expect(
    assessStatus(componentWith({}), { [A]: seen }, around).map(({ code, severity }) => `${severity} ${code}`),
  ).toEqual(['warning ansible-host-without-python', 'warning ansible-host-silent'])
  expect(summarized({ hosts: { app: { is: 'silent', why: 'refused' } } })).toEqual({
    kind: 'silent',
    why: 'app: refused',
  })
})
