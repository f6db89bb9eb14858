import type { Identity } from '../../domain/identities.ts'
import { readsOf, writesOf } from '../rights.ts'

/** One statement of a policy of S3, in the language that services share. */
export interface PolicyStatement {
  readonly Sid?: string
  readonly Effect: 'Allow'
  readonly Action: readonly string[]
  readonly Resource: readonly string[]
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** Exactly what an identity may do in the witness: no statement allows a delete. */
export function witnessStatements(identity: Identity, bucket: string, prefix: string): PolicyStatement[] {
  const objects = (keys: readonly string[]): string[] => keys.map((key) => `arn:aws:s3:::${bucket}/${prefix}${key}`)
  if (readsOf(identity) === 'active.json')
    return [{ Sid: 'WitnessActive', Effect: 'Allow', Action: ['s3:GetObject'], Resource: objects(['active.json']) }]
  const { write, create } = writesOf(identity)
  return [
    { Sid: 'WitnessList', Effect: 'Allow', Action: ['s3:ListBucket'], Resource: [`arn:aws:s3:::${bucket}`] },
    { Sid: 'WitnessRead', Effect: 'Allow', Action: ['s3:GetObject'], Resource: objects(['*']) },
    ...(write.length === 0
      ? []
      : [{ Sid: 'WitnessWrite', Effect: 'Allow', Action: ['s3:PutObject'], Resource: objects(write) } as const]),
    ...(create.length === 0
      ? []
      : [
          {
            Sid: 'WitnessCreate',
            Effect: 'Allow',
            Action: ['s3:PutObject'],
            Resource: objects(create),
            // Only new objects: S3 itself refuses a write without If-None-Match.
            Condition: { Null: { 's3:if-none-match': 'false' } },
          } as const,
        ]),
  ]
}
