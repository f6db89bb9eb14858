import { identityNamespace } from '../../platform/kubernetes/identity-accounts.ts'

/** A namespace of its own; `identity-accounts.ts` says why. */
export const guardNamespace = (stack: string): string => identityNamespace(stack, 'guard')
