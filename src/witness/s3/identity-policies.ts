import type { AccessRule, Identity } from '../../domain/identities.ts'
import type { Stack } from '../../domain/stack.ts'
import { type PolicyStatement, witnessStatements } from './policy.ts'
import type { S3WitnessSpec } from './spec.ts'

export interface Policy {
  readonly Version: '2012-10-17'
  readonly Statement: readonly PolicyStatement[]
}

/**
 * The S3 policy of each identity, as a document that services accept unchanged: `aws iam put-user-policy
 * --policy-document`. That of a witness on S3 is a part of it.
 */
export function bucketPolicies(
  stack: Stack,
  allRules: readonly AccessRule[],
  identities: readonly Identity[],
): Record<string, Policy> {
  const verbs = {
    list: ['s3:ListBucket'],
    get: ['s3:GetObject'],
    put: ['s3:PutObject'],
    delete: ['s3:DeleteObject'],
    policy: ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy'],
  } as const
  const ofBucket = (action: keyof typeof verbs): boolean => action === 'list' || action === 'policy'
  const witness = stack.witness.driver === 's3' ? (stack.witness.spec as unknown as S3WitnessSpec) : null
  const rules = allRules.filter((one) => one.kind === 'object-store')
  return Object.fromEntries(
    identities.map((identity): [string, Policy] => [
      identity,
      {
        Version: '2012-10-17',
        Statement: [
          ...rules
            .filter((one) => one.identity === identity)
            .map(
              (one): PolicyStatement => ({
                Effect: 'Allow',
                Action: one.actions.flatMap((action) => verbs[action]),
                Resource: [
                  ...(one.actions.some(ofBucket) ? [`arn:aws:s3:::${one.bucket}`] : []),
                  ...(one.actions.every(ofBucket) ? [] : [`arn:aws:s3:::${one.bucket}/${one.prefix}*`]),
                ],
              }),
            ),
          ...(witness === null ? [] : witnessStatements(identity, witness.bucket, witness.prefix ?? '')),
        ],
      },
    ]),
  )
}
