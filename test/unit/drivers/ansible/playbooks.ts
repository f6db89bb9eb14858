import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { programRunner } from '../../../../src/composition/program-runner.ts'
import type { Component, SiteName, Stack } from '../../../../src/domain/stack.ts'
import type { DriverContext, RunOptions } from '../../../../src/driver/context.ts'
import type { Deployment, DeployUnit } from '../../../../src/driver/deployment.ts'
import { deployHosts } from '../../../../src/drivers/ansible/deploy.ts'
import type { AnsibleSpec } from '../../../../src/drivers/ansible/spec.ts'
import type { DeclaredHosts } from '../../../../src/platform/hosts/declared-hosts.ts'
import { masking } from '../../../../src/runtime/masking.ts'
import { onceByKey } from '../../../../src/runtime/once.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

export const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]

/** Playbooks of a user, whose hosts are folders of this machine unless `ssh` says otherwise. */
export interface Around {
  readonly files: Readonly<Record<string, string>>
  readonly spec: Omit<AnsibleSpec, 'playbook'> & { readonly playbook?: string }
  readonly secrets?: Readonly<Record<string, string>>
  readonly ssh?: DeclaredHosts
  readonly signal?: AbortSignal
}
export interface Playbooks {
  /** Where the playbooks write. */
  readonly out: string
  readonly log: string[]
  /** Every program that was run, with its arguments. */
  readonly argv: string[][]
  readonly options: RunOptions[]
  unitsOf(site: SiteName): Promise<DeployUnit[]>
  /** The first unit of a site. */
  unitOf(site: SiteName): Promise<DeployUnit>
}

const LOCAL = 'ansible_connection: local\nansible_python_interpreter: /usr/bin/python3\n'
const SSH = { user: 'standby', privateKey: { env: 'KEY' }, knownHosts: { env: 'KNOWN' } }

/** The driver over these playbooks, with the programs that it runs for real. */
export function playbooksOf(bin: string, { files, spec, secrets = {}, ssh, signal }: Around): Playbooks {
  const directory = temporaryFolder()
  const out = join(directory, 'out')
  mkdirSync(out)
  const all = { ...(ssh === undefined ? { 'group_vars/all.yml': LOCAL } : {}), ...files }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  chmodSync(directory, 0o755)
  const machines = { db1: { address: '127.0.0.1' }, app: { address: '127.0.0.1' } }
  const hosts = (ssh ?? { ssh: SSH, machines }) as unknown as JsonObject
  const component = {
    name: 'hosts',
    driver: 'ansible',
    needs: [],
    spec: {
      playbook: 'play.yml',
      program: join(bin, 'ansible-playbook'),
      timeout: '2m',
      ...spec,
      variables: { out, ...spec.variables },
    },
  } as unknown as Component<AnsibleSpec>
  const stack = {
    name: 'shop',
    source: { directory },
    sites: [A, B].map((name) => ({ name, platforms: { hosts } })),
    components: [component],
  } as unknown as Stack
  const log: string[] = []
  const argv: string[][] = []
  const options: RunOptions[] = []
  const hidden = masking()
  const say = (line: string): void => void log.push(line)
  const logOf = { info: say, warning: say, debug: say }
  const run = programRunner(logOf, hidden, signal ?? new AbortController().signal)
  const known: Readonly<Record<string, string>> = { KEY: 'the-private-key\nof-all', KNOWN: 'a-host-key', ...secrets }
  const context = {
    stack,
    signal: signal ?? new AbortController().signal,
    log: logOf,
    once: onceByKey(),
    // The platform has its own tests: each machine is the declared one here.
    platform: () => ({ run: async () => ({ code: 0, stdout: 'Python 3.11.2\n', stderr: '' }) }),
    credential: async (reference: { readonly env: string }) => {
      const value = known[reference.env] ?? ''
      hidden.add(value)
      return value
    },
    run: (command: string, args: readonly string[], how: RunOptions) => {
      argv.push([command, ...args])
      options.push(how)
      return run(command, args, how, 'outside-sites')
    },
  } as unknown as DriverContext
  const deployment = {
    activeSite: A,
    roleOf: (site: SiteName) => (site === A ? 'active' : 'passive'),
    observed: {},
    epoch: 1,
    adopt: false,
  } satisfies Deployment
  const unitsOf = (site: SiteName): Promise<DeployUnit[]> => deployHosts(component, site, deployment, context)
  return {
    out,
    log,
    argv,
    options,
    unitsOf,
    async unitOf(site) {
      const [unit] = await unitsOf(site)
      if (unit === undefined) throw new Error('the driver has no unit')
      return unit
    },
  }
}
