import { describe, expect, test } from '@jest/globals'
import { bucketIdentity } from '../../../src/witness/s3/bucket-identity.ts'
import { problemsOf, replaced, textOfStack } from '../../support/published-stacks.ts'

const infisical = textOfStack('infisical-kubernetes')
const cache = infisical.slice(infisical.indexOf('  cache:\n'), infisical.indexOf('  application:\n'))
/** The published stack with a second cache whose dumps lie in another folder of the same store. */
const withQueue = (prefix: string): string =>
  replaced(
    infisical,
    '  application:\n',
    `${cache.replace('  cache:\n', '  queue:\n').replace('name: redis\n', 'name: queue\n').replace('prefix: redis', `prefix: ${prefix}`)}  application:\n`,
  )
const told = (text: string): string[] => problemsOf(text).map(({ path, what }) => `${path}: ${what}`)

describe('two components may keep their objects', () => {
  test.each(['queue', 'redis-queue', 'rediss/a'])('beside each other: redis/ and %s/', (prefix) => {
    expect(told(withQueue(prefix))).toEqual([])
  })
})

describe('a component is refused whose objects lie', () => {
  test.each([
    [
      'in the folder of another one',
      'redis/queue',
      'archive archive/redis/queue/ lies in archive archive/redis/, which belongs to components.cache',
    ],
    [
      'around the folder of a database',
      'postgresql',
      'archive archive/postgresql/ holds archive archive/postgresql/pg-dc-a-g1/',
    ],
    ['in the archive of a database', 'postgresql/pg-dc-a-g1/x', 'lies in archive archive/postgresql/pg-dc-a-g1/'],
    [
      'where a deploy probes the store',
      'standby-probe/x',
      'lies in archive archive/standby-probe/, which belongs to components.archive',
    ],
  ])('%s', (_, prefix, what) => {
    expect(told(withQueue(prefix))).toEqual(expect.arrayContaining([expect.stringContaining(what)]))
  })

  test('in the witness, or around it, however its bucket is written', () => {
    const inWitness = (endpoint: string, prefix: string): string[] =>
      told(
        replaced(
          infisical,
          'endpoint: https://s3.dc-a.example.com # yours\n        region: us-east-1\n        bucket: infisical-dc-a',
          `endpoint: ${endpoint}\n        region: us-east-1\n        bucket: standby-witness${prefix}`,
        ),
      )
    const prefixed = '\n        prefix: infisical/archive/'
    for (const endpoint of [
      'https://s3.witness.example.com',
      'https://S3.witness.example.com:443/',
      'https://s3.witness.example.com./',
    ])
      expect(inWitness(endpoint, prefixed)).toEqual([
        'components.archive.sites.dc-a.bucket: s3 s3.witness.example.com:443/standby-witness/infisical/archive/ lies in s3 s3.witness.example.com:443/standby-witness/infisical/, which belongs to witness.bucket',
      ])
    expect(inWitness('https://s3.witness.example.com', '')).toEqual([expect.stringContaining('holds s3 s3.witness')])
  })

  test('in the bucket of another site, unless in a folder of its own', () => {
    const shared = (one: string, other: string): string[] => {
      const of = (text: string, site: string, prefix: string): string =>
        replaced(
          text,
          `endpoint: https://s3.${site}.example.com # yours\n        region: us-east-1\n        bucket: infisical-${site}`,
          `endpoint: https://s3.example.com${site === 'dc-a' ? '' : '/'}\n        region: us-east-1\n        bucket: both${prefix === '' ? '' : `\n        prefix: ${prefix}`}`,
        )
      return told(of(of(infisical, 'dc-a', one), 'dc-b', other))
    }
    expect(shared('a/', 'b/')).toEqual([])
    for (const [one, other] of [
      ['', ''],
      ['a/', 'a/'],
      ['', 'b/'],
      ['a/b/', 'a/'],
    ] as const)
      expect(shared(one, other)).toEqual([expect.stringContaining('components.archive.sites.dc-b.bucket')])
  })
})

test.each([
  ['https://s3.example.com', 'HTTPS://S3.Example.com:443/', true],
  ['https://s3.example.com', 'https://s3.example.com.', true],
  ['http://minio:80', 'http://minio', true],
  ['http://minio:9000', 'http://minio', false],
  ['https://s3.eu-central-1.amazonaws.com', 'https://s3.dualstack.eu-central-1.amazonaws.com', true],
  ['https://s3.amazonaws.com', 'https://s3-fips.us-east-1.amazonaws.com/', true],
  ['https://s3.example.com', 'https://s3.example.org', false],
])('a bucket at %s and at %s is one: %s', (one, other, same) => {
  expect(bucketIdentity({ endpoint: one, bucket: 'b' }) === bucketIdentity({ endpoint: other, bucket: 'b' })).toBe(same)
  expect(bucketIdentity({ endpoint: one, bucket: 'b' })).not.toBe(bucketIdentity({ endpoint: one, bucket: 'c' }))
})
