import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { openObjectStore } from '../../../src/clients/object-store.ts'
import { awsLogin } from '../../../src/clients/renewed-login.ts'
import { startObjectStore } from '../../support/object-store.ts'

const servers: Server[] = []
const before = { ...process.env }
afterEach(() => {
  process.env = { ...before }
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

interface Request {
  readonly method: string
  readonly authorization: string
  readonly body: string
}

/** What AWS runs beside a process: answers each request with the next text, the last one again and again. */
async function answering(
  ...answers: readonly (string | number)[]
): Promise<{ readonly url: string; readonly requests: Request[] }> {
  const requests: Request[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', headers } = request
    requests.push({ method, authorization: headers.authorization ?? '', body: Buffer.concat(chunks).toString() })
    const answer = answers[Math.min(requests.length, answers.length) - 1] ?? 500
    if (typeof answer === 'number') response.writeHead(answer).end()
    else
      response.writeHead(200, { 'content-type': answer.startsWith('<') ? 'text/xml' : 'application/json' }).end(answer)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

/** As the EKS Pod Identity agent and ECS answer. */
const container = (id: string, minutes: number): string =>
  JSON.stringify({
    AccessKeyId: id,
    SecretAccessKey: `${id}-secret`,
    Token: `${id}-token`,
    Expiration: new Date(Date.now() + minutes * 60_000).toISOString(),
  })
const OFF = { AWS_EC2_METADATA_DISABLED: 'true' }
const login = (env: Record<string, string>, more: { now?: () => number; mask?: (secret: string) => void } = {}) =>
  awsLogin({ env: { ...OFF, ...env }, mask: () => undefined, ...more })

describe('the login of a process', () => {
  test('by variables is what a login step has left, and opens a store', async () => {
    const server = await startObjectStore()
    try {
      const { accessKeyId, secretAccessKey, ...place } = server.access('login/')
      const keys = login({ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey })
      const store = openObjectStore({ ...place, keys })
      const version = await store.put('k', 'x')
      expect(await store.get('k')).toEqual({ body: 'x', version })
      expect(await (await fetch(await store.presignedGet('k', 60_000))).text()).toBe('x')
    } finally {
      await server.stop()
    }
    const keys = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key', AWS_SESSION_TOKEN: 'token' }
    expect(await login(keys)()).toMatchObject({ accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'token' })
  }, 30_000)

  test('by web identity asks STS with the token of the pod for its role', async () => {
    const sts = await answering(
      `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
        <SubjectFromWebIdentityToken>system:serviceaccount:runners:standby</SubjectFromWebIdentityToken><Audience>sts.amazonaws.com</Audience>
        <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/standby/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser>
        <Credentials><SessionToken>sts-token</SessionToken><SecretAccessKey>sts-secret</SecretAccessKey>
        <Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration><AccessKeyId>ASIASTS</AccessKeyId></Credentials>
      </AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>`,
    )
    const file = join(mkdtempSync(join(tmpdir(), 'standby-token-')), 'token')
    writeFileSync(file, 'the.token.of-the-pod')
    process.env.AWS_ENDPOINT_URL_STS = sts.url
    const masked: string[] = []
    const role = {
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/standby',
      AWS_REGION: 'eu-central-1',
    }
    expect(await login(role, { mask: (secret) => masked.push(secret) })()).toMatchObject({
      accessKeyId: 'ASIASTS',
      secretAccessKey: 'sts-secret',
      sessionToken: 'sts-token',
    })
    const asked = new URLSearchParams(sts.requests[0]?.body)
    expect(Object.fromEntries(asked)).toMatchObject({
      Action: 'AssumeRoleWithWebIdentity',
      RoleArn: role.AWS_ROLE_ARN,
      WebIdentityToken: 'the.token.of-the-pod',
    })
    expect(masked).toEqual(['sts-secret', 'sts-token'])
  }, 30_000)

  test('of a container is asked once by many, kept while it lasts, and renewed before it ends', async () => {
    const agent = await answering(container('first', 60), container('second', 120))
    let now = Date.now()
    const keys = login(
      {
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agent.url}/v1/credentials`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: 'pod-token',
      },
      { now: () => now },
    )
    const ids = async (): Promise<string[]> =>
      (await Promise.all([keys(), keys(), keys()])).map(({ accessKeyId }) => accessKeyId)
    expect(await ids()).toEqual(['first', 'first', 'first'])
    expect(agent.requests).toEqual([{ method: 'GET', authorization: 'pod-token', body: '' }])
    now += 56 * 60_000
    expect(await ids()).toEqual(['second', 'second', 'second'])
    expect(agent.requests).toHaveLength(2)
  })

  test('that is never renewed is used as long as it lasts, and not longer', async () => {
    const agent = await answering(container('first', 60), 403)
    let now = Date.now()
    const keys = login({ AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.url }, { now: () => now })
    await keys()
    now += 58 * 60_000
    expect(await keys()).toMatchObject({ accessKeyId: 'first' })
    now += 3 * 60_000
    await expect(keys()).rejects.toMatchObject({
      code: 'credential-missing',
      message: expect.stringContaining('the container gives none'),
    })
  }, 30_000)

  test('that is missing gives an error that says what to do', async () => {
    await expect(login({})()).rejects.toMatchObject({
      code: 'credential-missing',
      next: expect.stringContaining('configure-aws-credentials'),
    })
    const place = { endpoint: 'http://127.0.0.1:1', region: 'us-east-1', bucket: 'bucket', prefix: '', keys: login({}) }
    await expect(openObjectStore(place).get('k')).rejects.toMatchObject({ code: 'credential-missing' })
    await expect(login({ AWS_ACCESS_KEY_ID: 'id' })()).rejects.toMatchObject({ code: 'credential-missing' })
  })
})
