import type { Identity } from '../../domain/identities.ts'

/**
 * The namespace of an identity's ServiceAccount. The guard has one of its own: a pod may run as any ServiceAccount of
 * its namespace, and the deployer, which installs the guard, must not become the mover that way.
 */
export const identityNamespace = (stack: string, identity?: Identity): string =>
  identity === 'guard' ? `standby-guard-${stack}` : `standby-${stack}`
export const accountOf = (identity: Identity): string => `standby-${identity}`

/** The ServiceAccount of an identity, on every site. */
export const identityAccount = (
  stack: string,
  identity: Identity,
): { readonly namespace: string; readonly name: string } => ({
  namespace: identityNamespace(stack, identity),
  name: accountOf(identity),
})
