import { describe, expect, test } from '@jest/globals'
import {
  type AccountName,
  accountNames,
  archiveBuckets,
  type BucketName,
  bucketNames,
  policyOf,
  witnessBucket,
} from '../../../lab/wan/s3-policies.ts'

const may = (account: AccountName, action: string, bucket: BucketName) =>
  policyOf(bucket).Statement.some(
    ({ Principal, Action, Resource }) =>
      Principal.AWS.includes(account) &&
      Action.includes(action) &&
      Resource.every((resource) => !resource.includes('standby-probe')),
  )

describe('who may do what in the object store', () => {
  test('no identity may delete from the witness', () => {
    expect(accountNames.filter((account) => may(account, 's3:DeleteObject', witnessBucket))).toEqual([])
  })

  test('an observer writes nowhere', () => {
    expect(bucketNames.filter((bucket) => may('observer', 's3:PutObject', bucket))).toEqual([])
  })

  test.each(archiveBuckets)('only the site of %s writes its archive, and the other sites read it', (bucket) => {
    const sites: readonly AccountName[] = ['archive-dc-a', 'archive-dc-b', 'archive-dc-c']
    const own = sites.filter((account) => bucket.endsWith(account.replace('archive-', '')))
    expect(own).toHaveLength(1)
    expect(accountNames.filter((account) => may(account, 's3:PutObject', bucket))).toEqual(own)
    expect(sites.filter((account) => may(account, 's3:GetObject', bucket))).toEqual(sites)
  })
})
