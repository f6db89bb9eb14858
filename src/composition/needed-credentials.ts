import { type CredentialUse, type Identity, OPERATING } from '../domain/identities.ts'
import type { CredentialReference, Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/capabilities.ts'
import { inputError, type StandbyError } from '../errors/standby-error.ts'
import { platformsOf } from '../platform/registry.ts'
import { nearest } from '../stack/nearest.ts'
import { type PlacedReference, referencesIn } from '../stack/references.ts'
import { withoutLineEnd } from './credentials.ts'

/** One environment variable or file that the stack file refers to, and who needs it for what. */
export interface NeededCredential {
  readonly reference: Exclude<CredentialReference, { readonly secret: unknown }>
  /** In the order of {@link OPERATING}. */
  readonly identities: readonly Identity[]
  /** Who sees or does more with it, and works without. */
  readonly optionalFor: readonly Identity[]
  readonly because: readonly string[]
}

/**
 * All credentials that a runner has to be given, in the order of the stack file; those in Secrets of a site are read
 * there. A kubeconfig and the keys of the witness are different values for each identity, under one name. Pure.
 */
export function neededCredentials(stack: Stack, drivers: Readonly<Record<string, Driver>>): NeededCredential[] {
  return merged([
    ...stack.sites.flatMap((site) => platformsOf(site).flatMap((platform) => platform.credentials(site))),
    ...referencesIn(stack.witness.spec).map(
      ({ reference, path }: PlacedReference): CredentialUse => ({
        reference,
        identities: OPERATING,
        because: `the witness: ${path.join('.')} of the identity's own account`,
      }),
    ),
    ...stack.components.flatMap((component) => drivers[component.driver]?.credentials?.(component, stack) ?? []),
  ])
}

interface Merging {
  readonly reference: NeededCredential['reference']
  readonly identities: Set<Identity>
  readonly optionalFor: Set<Identity>
  readonly because: Set<string>
}

function merged(uses: readonly CredentialUse[]): NeededCredential[] {
  const found = new Map<string, Merging>()
  for (const { reference, identities, because, optional } of uses) {
    if ('secret' in reference) continue
    const name = nameOf(reference)
    const entry = found.get(name) ?? { reference, identities: new Set(), optionalFor: new Set(), because: new Set() }
    for (const identity of identities) entry[optional === true ? 'optionalFor' : 'identities'].add(identity)
    entry.because.add(because)
    found.set(name, entry)
  }
  return [...found.values()].map(({ reference, identities, optionalFor, because }) => ({
    reference,
    identities: OPERATING.filter((identity) => identities.has(identity)),
    optionalFor: OPERATING.filter((identity) => optionalFor.has(identity) && !identities.has(identity)),
    because: [...because],
  }))
}

export const nameOf = (reference: NeededCredential['reference']): string =>
  'env' in reference ? reference.env : `file ${reference.file}`

/** What references of the stack file are looked up in. */
export interface GivenCredentials {
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * The names in the input `credentials` of an action; empty: it was not given, or is an empty text. Null on a command
   * line.
   */
  readonly credentialsInput: readonly string[] | null
}

/**
 * Every environment variable that an identity needs and was not given, in one `credential-missing`. Asked before
 * anything is contacted.
 */
export function refuseMissingCredentials(
  needed: readonly NeededCredential[],
  identity: Identity,
  { env, credentialsInput }: GivenCredentials,
): void {
  const names = needed
    .filter(({ identities, reference }) => identities.includes(identity) && 'env' in reference)
    .map(({ reference }) => nameOf(reference))
  const missing = names.filter((name) => withoutLineEnd(env[name] ?? '') === '')
  if (missing.length > 0) throw missingCredentials(missing, names, identity, credentialsInput, env)
}

function missingCredentials(
  missing: readonly string[],
  needed: readonly string[],
  identity: Identity,
  input: readonly string[] | null,
  env: GivenCredentials['env'],
): StandbyError {
  // A name that is given and not needed is most likely the one that was meant.
  const spare = (input ?? Object.keys(env)).filter((name) => !needed.includes(name))
  const lines = missing.map((name) => {
    const meant = nearest(name, spare)
    if (input?.includes(name)) return `${name} is empty`
    return meant === null ? name : `${name} (given is ${meant}: is it that?)`
  })
  const count = missing.length === 1 ? '1 credential' : `${missing.length} credentials`
  return inputError(
    'credential-missing',
    `${count} that the ${identity} needs ${missing.length === 1 ? 'is' : 'are'} not set:\n  ${lines.join('\n  ')}`,
    {
      where: input === null ? 'the environment' : 'the input credentials',
      next: `${whatToSet(input)} standby credentials prints which identity needs which. Nothing was contacted.`,
    },
  )
}

function whatToSet(input: readonly string[] | null): string {
  if (input === null) return 'Set them as environment variables.'
  if (input.length === 0)
    return 'The input credentials is empty: the job names no environment that holds the secret STANDBY_CREDENTIALS, or the caller of a reusable workflow does not hand it down (secrets: inherit).'
  return `Add them to the JSON object in the secret; it has ${input.join(', ')}.`
}
