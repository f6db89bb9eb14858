import type { Identity } from '../../domain/identities.ts'
import type { Stack } from '../../domain/stack.ts'
import { readsOf, writesOf } from '../rights.ts'
import type { ConsulWitnessSpec } from './spec.ts'

/** One rule of an ACL policy of Consul. */
export interface AclRule {
  readonly resource: 'key' | 'key_prefix'
  readonly name: string
  readonly policy: 'read' | 'write'
}

/**
 * Exactly what an identity may do in the witness. Consul has no right to create alone, and `write` of a key allows its
 * removal. So a deployer gets no right to the first `active.json`, and its journal decides nothing.
 */
export function witnessAclRules(identity: Identity, prefix: string): AclRule[] {
  if (readsOf(identity) === 'active.json') return [{ resource: 'key', name: `${prefix}active.json`, policy: 'read' }]
  const { write, create } = writesOf(identity)
  const written = [...write, ...create.filter((keys) => keys !== 'active.json')]
  return [
    { resource: 'key_prefix', name: prefix, policy: 'read' },
    ...written.map(
      (keys): AclRule => ({
        resource: keys.endsWith('/*') ? 'key_prefix' : 'key',
        name: `${prefix}${keys.replace(/\*$/, '')}`,
        policy: 'write',
      }),
    ),
  ]
}

/** The rules of each identity; null: the witness of this stack is not in Consul. */
export function aclRules(
  { witness: { driver, spec } }: Stack,
  identities: readonly Identity[],
): Record<string, string> | null {
  if (driver !== 'consul') return null
  const { prefix = '' } = spec as unknown as ConsulWitnessSpec
  return Object.fromEntries(identities.map((identity) => [identity, aclText(witnessAclRules(identity, prefix))]))
}

/** As `consul acl policy create -rules` takes it. */
export const aclText = (rules: readonly AclRule[]): string =>
  rules.map(({ resource, name, policy }) => `${resource} "${name}" { policy = "${policy}" }\n`).join('')
