import { writesOf } from '../../src/witness/rights.ts'
import { type SiteName, siteNames } from '../topology.ts'

/** One account for each identity that operations run with, as `standby rbac` prints them for real stores. */
export const accountNames = [
  'observer',
  'deployer',
  'mover',
  'restore-tester',
  'archive-dc-a',
  'archive-dc-b',
  'archive-dc-c',
  'reader',
] as const
export type AccountName = (typeof accountNames)[number]

export const witnessBucket = 'standby-witness'
export const archiveBuckets = [
  'infisical-dc-a',
  'infisical-dc-b',
  'infisical-dc-c',
  'hanzo-dc-a',
  'hanzo-dc-b',
  'hanzo-dc-c',
] as const
export const bucketNames = [witnessBucket, ...archiveBuckets] as const
export type BucketName = (typeof bucketNames)[number]

const read = ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectAttributes', 's3:GetObjectTagging']
const list = [
  's3:ListBucket',
  's3:ListBucketVersions',
  's3:ListBucketMultipartUploads',
  's3:GetBucketVersioning',
  's3:GetBucketLocation',
]
const append = ['s3:PutObject']
const archive = [
  ...append,
  's3:DeleteObject',
  's3:PutObjectTagging',
  's3:AbortMultipartUpload',
  's3:ListMultipartUploadParts',
]

export interface BucketPolicy {
  readonly Version: '2012-10-17'
  readonly Statement: readonly { Effect: 'Allow'; Principal: { AWS: string[] }; Action: string[]; Resource: string[] }[]
}

/** Who may do what in a bucket; what is not said here is refused. */
export function policyOf(bucket: BucketName): BucketPolicy {
  return {
    Version: '2012-10-17',
    Statement: bucket === witnessBucket ? witnessStatements() : archiveStatements(bucket),
  }
}

/**
 * Nobody may delete from the witness: its journal is append-only, and a lock expires instead of being removed. Each
 * stack has a folder of its own in the bucket. versitygw knows no condition on `If-None-Match`: here a deployer could
 * replace the active record as well as create it.
 */
function witnessStatements() {
  const readers = ['observer', 'deployer', 'mover', 'restore-tester'] as const
  const writers = readers.flatMap((identity) => {
    const { write, create } = writesOf(identity)
    return [...write, ...create].map((keys) => allow([identity], append, `arn:aws:s3:::${witnessBucket}/*/${keys}`))
  })
  return [allow(readers, list, bucketItself(witnessBucket)), allow(readers, read, objectsOf(witnessBucket)), ...writers]
}

/** A site writes its own archive and reads those of the others; only the mover may close an archive by its policy. */
function archiveStatements(bucket: BucketName) {
  const owner: AccountName = `archive-${siteOfArchive(bucket)}`
  return [
    allow([...accountNames], list, bucketItself(bucket)),
    allow([...accountNames], read, objectsOf(bucket)),
    allow([owner], archive, objectsOf(bucket)),
    // A deploy proves that the archive honours preconditions, on objects of its own.
    allow(
      ['deployer'],
      [...append, 's3:DeleteObject', 's3:DeleteObjectVersion'],
      `arn:aws:s3:::${bucket}/*standby-probe/*`,
    ),
    allow(['mover'], ['s3:GetBucketPolicy', 's3:PutBucketPolicy'], bucketItself(bucket)),
  ]
}

function siteOfArchive(bucket: string): SiteName {
  const site = siteNames.find((name) => bucket.endsWith(name))
  if (site === undefined) throw new Error(`no site archives into ${bucket}`)
  return site
}

const bucketItself = (bucket: string) => `arn:aws:s3:::${bucket}`
const objectsOf = (bucket: string) => `arn:aws:s3:::${bucket}/*`

function allow(accounts: readonly AccountName[], actions: readonly string[], resource: string) {
  return { Effect: 'Allow' as const, Principal: { AWS: [...accounts] }, Action: [...actions], Resource: [resource] }
}
