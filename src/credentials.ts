import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { KubernetesClient } from './clients/kubernetes-client.ts'
import { inputError, siteError } from './errors.ts'
import type { CredentialReference, SiteName } from './stack/stack.ts'

/** What credentials are resolved from. Every value is masked before anybody else sees it. */
export interface CredentialSources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Relative files are found from here. */
  readonly directory: string
  readonly mask: (secret: string) => void
}

/** The value behind a reference to an environment variable or a file. Throws `credential-missing` that names it. */
export function localCredential(reference: CredentialReference, sources: CredentialSources): string {
  if ('env' in reference) {
    const value = sources.env[reference.env]
    if (value === undefined || value === '')
      throw inputError('credential-missing', `the environment variable ${reference.env} is not set`, {
        next: `Set ${reference.env}; in a workflow: env: { ${reference.env}: \${{ secrets.${reference.env} }} }.`,
      })
    return masked(value, sources)
  }
  if ('file' in reference) {
    const path = resolve(sources.directory, reference.file)
    try {
      return masked(readFileSync(path, 'utf8').trimEnd(), sources)
    } catch (error) {
      throw inputError('credential-missing', `the file ${path} can not be read (${(error as Error).message})`)
    }
  }
  throw inputError(
    'credential-not-local',
    `the Secret ${reference.secret.namespace}/${reference.secret.name} can not be read before its site is connected`,
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
  if (at === undefined) throw inputError('credential-missing', `the reference to Secret ${namespace}/${name} names no site`)
  const secret = await kubernetes(at).get({ apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespace, name })
  const encoded = (secret?.data as Record<string, string> | undefined)?.[key]
  if (encoded === undefined)
    throw siteError('credential-missing', `the Secret ${namespace}/${name} ${secret === null ? 'does not exist' : `has no key ${key}`}`, {
      where: `${at} ${namespace}/Secret/${name}`,
      next: 'Create it; the README of the stack says what belongs in it.',
    })
  return masked(Buffer.from(encoded, 'base64').toString('utf8'), sources)
}

/** Content as it is, or the content of the file that it is the path of: kubeconfigs and keys are handed over both ways. */
export function contentOrPath(value: string): string {
  if (value.includes('\n')) return value
  try {
    return statSync(value).isFile() ? readFileSync(value, 'utf8') : value
  } catch {
    return value
  }
}

/** GitHub masks line by line; short lines would blank out half of the log. */
function masked(value: string, sources: CredentialSources): string {
  for (const line of value.split('\n')) if (line.trim().length >= 6) sources.mask(line.trim())
  return value
}
