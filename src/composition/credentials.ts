import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { KubernetesClient } from '../clients/kubernetes-client.ts'
import type { CredentialReference, SiteName } from '../domain/stack.ts'
import { inputError, siteError } from '../errors/standby-error.ts'
import { maskSecret } from '../runtime/mask-secret.ts'

/** What credentials are resolved from. Every value is masked before it is handed on. */
export interface CredentialSources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Relative files are found from here. */
  readonly directory: string
  readonly mask: (secret: string) => void
}

/**
 * The one rule for all credentials, wherever they are read: the line breaks that end a value are none of it. An editor,
 * `echo` or a copied line adds them, and no key, token or password that a person chose ends with one.
 */
export const withoutLineEnd = (value: string): string => value.replace(/[\r\n]+$/, '')

/** The value behind a reference to an environment variable or a file. Throws `credential-missing` that names it. */
export function localCredential(reference: CredentialReference, sources: CredentialSources): string {
  if ('env' in reference) {
    const value = withoutLineEnd(sources.env[reference.env] ?? '')
    if (value === '')
      throw inputError('credential-missing', `the environment variable ${reference.env} is not set`, {
        next: `Set ${reference.env}; in a workflow: env: { ${reference.env}: \${{ secrets.${reference.env} }} }.`,
      })
    return masked(value, sources)
  }
  if ('file' in reference) {
    const path = resolve(sources.directory, reference.file)
    const value = withoutLineEnd(contentOf(path))
    if (value === '')
      throw inputError('credential-missing', `the file ${path} is empty`, { next: 'Write the credential into it.' })
    return masked(value, sources)
  }
  throw inputError(
    'credential-not-local',
    `the Secret ${reference.secret.namespace}/${reference.secret.name} cannot be read before its site is connected`,
  )
}

/** The value of a key of a Kubernetes Secret. */
export async function secretCredential(
  reference: Extract<CredentialReference, { secret: unknown }>,
  kubernetes: (site: SiteName) => KubernetesClient,
  site: SiteName | undefined,
  sources: CredentialSources,
): Promise<string> {
  const { namespace, name, key } = reference.secret
  const at = (reference.secret.site as SiteName | undefined) ?? site
  if (at === undefined)
    throw inputError('credential-missing', `the reference to Secret ${namespace}/${name} names no site`)
  const secret = await kubernetes(at).get({ apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespace, name })
  const encoded = (secret?.data as Record<string, string> | undefined)?.[key]
  if (encoded === undefined)
    throw siteError(
      'credential-missing',
      `the Secret ${namespace}/${name} ${secret === null ? 'does not exist' : `has no key ${key}`}`,
      {
        where: `${at} ${namespace}/Secret/${name}`,
        next: 'Create it; the README of the stack says what belongs in it.',
      },
    )
  const value = withoutLineEnd(Buffer.from(encoded, 'base64').toString('utf8'))
  if (value === '')
    throw siteError('credential-missing', `the key ${key} of the Secret ${namespace}/${name} is empty`, {
      where: `${at} ${namespace}/Secret/${name}`,
      next: 'Write the credential into it.',
    })
  return masked(value, sources)
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw inputError('credential-missing', `the file ${path} cannot be read (${(error as Error).message})`)
  }
}

function masked(value: string, sources: CredentialSources): string {
  maskSecret(value, sources.mask)
  return value
}
