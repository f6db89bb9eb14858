import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { openObjectStore } from '../../../../src/clients/object-store.ts'
import {
  type ClosedFolder,
  closeFolder,
  isClosed,
  openFolder,
} from '../../../../src/drivers/cloudnative-pg/failover/archive-policy.ts'
import { STAY_CLOSED } from '../../../../src/drivers/cloudnative-pg/failover/close-archive.ts'
import { serverNamesBehind } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { type ObjectStoreServer, startObjectStore } from '../../../support/object-store.ts'

const closed = { bucket: 'bucket', region: 'us-east-1', folder: 'infisical/postgresql/pg-dc-a-g1/' }
const allow = (Principal: unknown, Action: unknown, Resource: unknown) => ({
  Effect: 'Allow',
  Principal,
  Action,
  Resource,
})
/** What a failover lets go when it closes this. */
const behind = (of: ClosedFolder): ClosedFolder[] =>
  serverNamesBehind(of.folder.slice(0, -1), STAY_CLOSED).map((name) => ({ ...of, folder: `${name}/` }))
const policyWith = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Id: 'ours', Statement })

describe('closing a folder by the policy of its bucket', () => {
  test('keeps everything else that the policy says, and opening gives back exactly that', () => {
    const statements = fc.array(
      fc.record({
        Sid: fc.string(),
        Effect: fc.constantFrom('Allow', 'Deny'),
        Principal: fc.constantFrom('*', { AWS: ['arn'] }),
        Action: fc.constantFrom('s3:GetObject', ['s3:PutObject']),
        Resource: fc.constantFrom('arn:aws:s3:::bucket/*', ['arn:aws:s3:::bucket/other/*']),
      }),
      { minLength: 1 },
    )
    fc.assert(
      fc.property(statements, (before) => {
        const after = closeFolder(policyWith(...before), closed)
        expect(JSON.parse(after).Statement.slice(0, before.length)).toEqual(before)
        expect(isClosed(after, closed)).toBe(true)
        expect(JSON.parse(openFolder(after, closed) ?? '')).toEqual(JSON.parse(policyWith(...before)))
      }),
    )
  })
  test('twice is once, and a bucket without a policy gets one that is nothing else', () => {
    const once = closeFolder(null, closed)
    expect(closeFolder(once, closed)).toBe(once)
    expect(openFolder(once, closed)).toBeNull()
  })
  test('is not taken for done when the denial is of another folder, of one user, of one action, or under a condition', () => {
    const denial = JSON.parse(closeFolder(null, closed)).Statement[0]
    expect(isClosed(policyWith(denial), closed)).toBe(true)
    expect(isClosed(policyWith({ ...denial, Principal: { AWS: '*' }, Resource: denial.Resource[0] }), closed)).toBe(
      true,
    )
    for (const weaker of [
      { Resource: ['arn:aws:s3:::bucket/infisical/postgresql/pg-dc-a-g2/*'] },
      { Principal: { AWS: ['arn:aws:iam::1:user/a'] } },
      { Action: ['s3:PutObject'] },
      { Condition: { StringEquals: { 'aws:username': 'a' } } },
      { Effect: 'Allow' },
    ])
      expect(isClosed(policyWith({ ...denial, ...weaker }), closed)).toBe(false)
  })
  test('does not grow with every failover: incarnations long gone are let go, and nothing else is', () => {
    const at = (cluster: string, number: number) => ({
      ...closed,
      folder: `infisical/postgresql/${cluster}-g${number}/`,
    })
    const statementsOf = (policy: string) => JSON.parse(policy).Statement as { readonly Resource: readonly string[] }[]
    const others = [
      ...statementsOf(closeFolder(null, at('pg-dc-b', 1))),
      ...statementsOf(closeFolder(null, { ...closed, folder: 'elsewhere/pg-dc-a-g1/' })),
      {
        ...statementsOf(closeFolder(null, at('pg-dc-a', 1)))[0],
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      },
      {
        ...statementsOf(closeFolder(null, at('pg-dc-a', 2)))[0],
        Action: ['s3:PutObject', 's3:DeleteObject', 's3:GetObject'],
      },
    ]
    let policy = policyWith(...others)
    for (let number = 1; number <= 40; number++)
      policy = closeFolder(policy, at('pg-dc-a', number), behind(at('pg-dc-a', number)))
    expect(statementsOf(policy).slice(0, others.length)).toEqual(others)
    expect(statementsOf(policy).slice(others.length)).toHaveLength(5)
    for (const number of [36, 37, 38, 39, 40]) expect(isClosed(policy, at('pg-dc-a', number))).toBe(true)
  })
  test('refuses to replace what it cannot read', () => {
    expect(() => closeFolder('<xml/>', closed)).toThrow()
    expect(() => closeFolder('{}', closed)).toThrow()
  })
})

describe('a real store', () => {
  let server: ObjectStoreServer
  beforeAll(async () => {
    server = await startObjectStore()
  }, 60_000)
  afterAll(() => server.stop())

  test('has no policy at first, takes one, and loses it again', async () => {
    const root = openObjectStore(server.access())
    expect(await root.policy()).toBeNull()
    const policy = policyWith(allow('*', ['s3:GetObject'], ['arn:aws:s3:::bucket/*']))
    await root.putPolicy(policy)
    expect(JSON.parse((await root.policy()) ?? '')).toEqual(JSON.parse(policy))
    await root.putPolicy(null)
    expect(await root.policy()).toBeNull()
    await expect(openObjectStore({ ...server.access(), bucket: 'nowhere' }).policy()).rejects.toMatchObject({
      code: 'object-store-missing-bucket',
    })
    await expect(root.putPolicy('{}')).rejects.toMatchObject({ code: 'object-store-refused' })
  })

  test('takes the policy of forty failovers: it stays as large as it is', async () => {
    const root = openObjectStore(server.access())
    const folder = (number: number) => ({ ...closed, bucket: server.access().bucket, folder: `pg-dc-a-g${number}/` })
    for (let number = 1; number <= 40; number++)
      await root.putPolicy(closeFolder(await root.policy(), folder(number), behind(folder(number))))
    expect(JSON.parse((await root.policy()) ?? '').Statement).toHaveLength(5)
  })
})
