import type { AccessRule } from '../../domain/identities.ts'
import type { Component } from '../../domain/stack.ts'
import { PROBE, type S3Spec } from './spec.ts'

/** What each identity may do in the bucket of each site. Pure. */
export const accessOf = (component: Component<S3Spec>): AccessRule[] =>
  Object.values(component.spec.sites).flatMap((declared): AccessRule[] => {
    const common = { kind: 'object-store' as const, bucket: declared.bucket }
    const prefix = declared.prefix ?? ''
    return [
      { ...common, identity: 'observer', prefix, actions: ['list', 'get'], because: 'to see the newest backups' },
      { ...common, identity: 'restore-tester', prefix, actions: ['list', 'get'], because: 'to restore backups' },
      {
        ...common,
        identity: 'mover',
        prefix,
        actions: ['list', 'get', 'put'],
        because: 'to hand over the last state',
      },
      {
        ...common,
        identity: 'deployer',
        prefix: `${prefix}${PROBE}`,
        actions: ['list', 'get', 'put', 'delete'],
        because: 'to probe preconditions',
      },
      ...(declared.policyCredentials === undefined ? [] : [{ ...common, identity: 'mover' as const, ...POLICY }]),
    ]
  })

const POLICY = { prefix: '', actions: ['policy'] as const, because: 'to close the archive of a lost site' }
