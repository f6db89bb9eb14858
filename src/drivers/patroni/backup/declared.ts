import { isLogin } from '../../../clients/object-store-client.ts'
import type { SpecProblem } from '../../../domain/declaration.ts'
import type { CredentialUse } from '../../../domain/identities.ts'
import type { Component, CredentialReference, SiteName, Stack } from '../../../domain/stack.ts'
import type { LocationOf } from '../../../driver/assessment.ts'
import { sandboxProblem } from '../../../platform/hosts/sandbox-problem.ts'
import { fieldsOf } from '../../../schema/fields.ts'
import { credentialReference, folder, PLAIN_WORD, siteMap, text } from '../../../schema/parts.ts'

/** Where pgBackRest keeps the backups and the WAL of each site, and what is counted in them. */
export interface DeclaredBackups {
  /** The object-store component. */
  readonly store: string
  /** `repo1-path` of pgBackRest, below the prefix of the store, without its first `/`. */
  readonly folder: string
  /** By site. One stanza belongs to one incarnation of the database of one site. */
  readonly stanzas: Readonly<Record<string, string>>
  readonly tables: readonly string[]
  /** Of a backup that Standby takes; default `full`. */
  readonly type?: 'full' | 'diff' | 'incr'
  /** The pass phrase of an encrypted repository (`repo1-cipher-pass`). */
  readonly cipher?: CredentialReference
}
/** The part of a specification that this folder needs. */
interface WithBackups {
  readonly backups?: DeclaredBackups
}

export const backupsSchema = fieldsOf<DeclaredBackups>()({
  description:
    'Base backups and WAL by pgBackRest in an object store, and what a restore test of them counts. The hosts archive by a configuration of their own.',
  type: 'object',
  required: ['store', 'folder', 'stanzas', 'tables'],
  additionalProperties: false,
  properties: {
    store: text('The object-store component of this stack. Restore tests read it with readCredentials.'),
    folder: folder(
      'repo1-path in the configuration of pgBackRest without its first /, below the prefix of the store.',
      'without-slash',
    ),
    stanzas: siteMap(
      'The stanza of each site. A site that ever archived what the others lack gets a new one: it never writes into that of another incarnation.',
      text('Its name.', { pattern: PLAIN_WORD, examples: ['dc-a-g1'] }),
    ),
    tables: {
      description: 'What is counted when a backup is taken, and again after each restore. One of them holds rows.',
      type: 'array',
      minItems: 1,
      items: { type: 'string', minLength: 1 },
      examples: [['orders', 'audit.logs']],
    },
    type: {
      description:
        'Of a backup that Standby takes. diff and incr rest on an earlier one of the same stanza, and are full where there is none. Default full.',
      enum: ['full', 'diff', 'incr'],
    },
    cipher: {
      ...credentialReference,
      description: 'repo1-cipher-pass of an encrypted repository (aes-256-cbc), for restore tests.',
    },
  },
})

/** Of a component that declares them. */
export function backupsOf({ name, spec }: Component<WithBackups>): DeclaredBackups {
  if (spec.backups === undefined) throw new Error(`${name} declares no backups`)
  return spec.backups
}
/** The stanza of a site. */
export function stanzaOf(component: Component<WithBackups>, site: SiteName | string): string {
  const stanza = backupsOf(component).stanzas[site]
  if (stanza === undefined) throw new Error(`${component.name} declares no stanza for ${site}`)
  return stanza
}

/** What the schema cannot say of them. Pure. */
export function backupProblems(
  { spec: { backups } }: Component<WithBackups>,
  { sites }: Stack,
  objectStore: LocationOf,
): SpecProblem[] {
  if (backups === undefined) return []
  const { store, stanzas } = backups
  return sites.flatMap((site, index): SpecProblem[] => {
    const location = objectStore(store, site.name)
    const shares = sites.slice(0, index).find(({ name }) => stanzas[name] === stanzas[site.name])
    return [
      ...(location === null
        ? [{ path: ['backups', 'store'], what: `${store} is no object store of ${site.name}` }]
        : []),
      ...(location !== null && !/^https:/i.test(location.endpoint)
        ? [
            {
              path: ['backups', 'store'],
              what: `${store} has no TLS on ${site.name} (${location.endpoint}): pgBackRest speaks https only`,
            },
          ]
        : []),
      ...(location !== null && isLogin(location.readCredentials)
        ? [
            {
              path: ['backups', 'store'],
              what: `a restore test reads ${store} of ${site.name} with a key, and readCredentials is a login`,
            },
          ]
        : []),
      ...(shares === undefined || stanzas[site.name] === undefined
        ? []
        : [
            {
              path: ['backups', 'stanzas', site.name],
              what: `is the stanza of ${shares.name} too: a promoted site would write into the archive of another one`,
            },
          ]),
      ...sandboxProblem(site, ['backups'], 'backup'),
    ]
  })
}

export const backupCredentials = ({ spec: { backups } }: Component<WithBackups>): CredentialUse[] =>
  backups?.cipher === undefined
    ? []
    : [{ reference: backups.cipher, identities: ['restore-tester'], because: 'reads the encrypted backups' }]
