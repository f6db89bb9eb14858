import type { CredentialReference, Site } from '../../domain/stack.ts'
import { credentialReference, HOST_PATH, hostName, kubernetesName, text } from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'

/** `sites.<name>.hosts` of the stack file: machines that are reached by ssh. */
export interface DeclaredHosts {
  readonly ssh: {
    readonly user: string
    readonly port?: number
    readonly privateKey: CredentialReference
    /** The only keys that the machines, and the jump host, may have. */
    readonly knownHosts: CredentialReference
    /** All machines are reached through it, with the same key. */
    readonly jump?: { readonly host: string; readonly port?: number; readonly user?: string }
    /** How commands that need it get the rights of root; absent: the user has them, or none needs it. */
    readonly become?: 'sudo'
  }
  readonly machines: Readonly<Record<string, DeclaredMachine>>
  /** `user`: without rights; `standby-sandbox` when absent. */
  readonly sandbox?: { readonly machine: string; readonly directory: string; readonly user?: string }
}
export interface DeclaredMachine {
  readonly address: string
  readonly port?: number
  /** Content of /etc/machine-id; absent: its host key alone says who it is. */
  readonly machineId?: string
}

/** The hosts that a site declares; undefined where it has none. */
export const declaredHosts = (site: Site | undefined): DeclaredHosts | undefined =>
  site?.platforms.hosts as unknown as DeclaredHosts | undefined

const port: JsonObject = { description: 'Port of sshd. Default 22.', type: 'integer', minimum: 1, maximum: 65535 }
const user = (description: string): JsonObject => text(description, { pattern: '^[A-Za-z_][-A-Za-z0-9_.]*$' })

export const hostsSchema: JsonObject = {
  description: 'The machines of this site that are reached by ssh.',
  type: 'object',
  required: ['ssh', 'machines'],
  additionalProperties: false,
  properties: {
    ssh: {
      description: 'How the machines are reached. Host keys are checked.',
      type: 'object',
      required: ['user', 'privateKey', 'knownHosts'],
      additionalProperties: false,
      properties: {
        user: user('The user that logs in on every machine.'),
        port,
        privateKey: { ...credentialReference, description: 'A private key without passphrase, or the path of one.' },
        knownHosts: {
          ...credentialReference,
          description: 'A known_hosts file, or the path of one: the only keys that machines and jump host may have.',
        },
        jump: {
          description: 'A host through which all machines are reached, with the same key and known_hosts.',
          type: 'object',
          required: ['host'],
          additionalProperties: false,
          properties: {
            host: hostName('Name or address.'),
            port,
            user: user('The user there. Default: the one of the machines.'),
          },
        },
        become: {
          description: 'sudo: commands that need the rights of root are run with sudo, without a password.',
          enum: ['sudo'],
        },
      },
    },
    machines: {
      description: 'The machines by name.',
      type: 'object',
      minProperties: 1,
      maxProperties: 200,
      propertyNames: {
        description: 'Lower case letters, digits and "-", at most 63.',
        pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
      },
      additionalProperties: {
        description: 'One machine.',
        type: 'object',
        required: ['address'],
        additionalProperties: false,
        properties: {
          address: hostName('Name or address, for ssh.'),
          port,
          machineId: text('Content of /etc/machine-id. Guards against the wrong machine beside its host key.', {
            pattern: '^[0-9a-f]{32}$',
          }),
        },
      },
    },
    sandbox: {
      description: 'Where restore tests of components on hosts run. It is emptied before and after each.',
      type: 'object',
      required: ['machine', 'directory'],
      additionalProperties: false,
      properties: {
        machine: kubernetesName('The machine, by its name above.'),
        directory: text(
          'A directory in which the administrator has made standby-restore-<stack>, with the file .standby-sandbox in it.',
          { pattern: HOST_PATH },
        ),
        user: user('A user without rights, as which all programs of a restore test run. Default: standby-sandbox.'),
      },
    },
  },
}
