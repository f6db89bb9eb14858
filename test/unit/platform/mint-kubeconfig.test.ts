import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { parse } from 'yaml'
import type { Stack } from '../../../src/domain/stack.ts'
import { asStandbyError } from '../../../src/errors/standby-error.ts'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { identityAccount } from '../../../src/platform/kubernetes/identity-accounts.ts'
import { type KubeconfigRequest, mintKubeconfig } from '../../../src/platform/kubernetes/mint-kubeconfig.ts'
import { parseStack } from '../../../src/stack/load-stack.ts'
import { type ApiServer, startApiServer } from '../../support/api-server.ts'
import { kinds, pathOfStack, textOfStack } from '../../support/published-stacks.ts'
import { clusterIdOf } from '../../support/small-stack.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

jest.setTimeout(90_000)

let api: ApiServer
let stack: Stack
let request: KubeconfigRequest
const masked: string[] = []
const client = (kubeconfig: string) =>
  openKubernetes({ site: 'dc-a' as never, kubeconfig, signal: new AbortController().signal })

beforeAll(async () => {
  api = await startApiServer()
  const published = parseStack(textOfStack('infisical-kubernetes'), pathOfStack('infisical-kubernetes'), kinds)
  const clusterId = await clusterIdOf(api)
  stack = {
    ...published,
    sites: published.sites.map((site) => ({
      ...site,
      platforms: { kubernetes: { ...site.platforms.kubernetes, clusterId } },
    })),
  }
  const path = join(temporaryFolder(), 'administrator')
  writeFileSync(path, api.kubeconfig('admin'))
  request = {
    stack,
    site: 'dc-a',
    identity: 'observer',
    lifetime: 3_600_000,
    administrator: { kubeconfig: path, context: null },
    env: {},
    mask: (secret) => masked.push(secret),
  }
})
afterAll(() => api.stop())

const refused = async (more: Partial<KubeconfigRequest>) =>
  mintKubeconfig({ ...request, ...more }).then(
    () => null,
    (error: unknown) => asStandbyError(error),
  )

describe('the kubeconfig of an identity', () => {
  test('is refused with the command that makes the account, while there is none', async () => {
    expect(await refused({})).toMatchObject({
      code: 'identity-missing',
      next: expect.stringContaining('standby rbac --site dc-a'),
    })
  })

  test('holds a token of the account of rbac, which the API server accepts, and says when it ends', async () => {
    const admin = client(api.kubeconfig('admin'))
    const { namespace, name } = identityAccount(stack.name, 'observer')
    await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
    await admin.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } })
    const minted = await mintKubeconfig(request)
    expect(minted.account).toBe(`${namespace}/${name}`)
    const hours = (Date.parse(minted.expiresAt) - Date.now()) / 3_600_000
    expect(hours).toBeGreaterThan(0.9)
    expect(hours).toBeLessThan(1.1)
    const { token } = (parse(minted.text) as { users: [{ user: { token: string } }] }).users[0].user
    const review = await admin.request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token },
    })
    expect(review).toMatchObject({
      status: { authenticated: true, user: { username: `system:serviceaccount:${namespace}:${name}` } },
    })
    // What the account may do comes with the objects of rbac; that it is let in and has no rights yet is the API
    // server's answer to its token.
    await expect(client(minted.text).clusterId()).rejects.toMatchObject({ code: 'kubernetes-forbidden' })
  })

  test('is refused for another cluster than the declared one', async () => {
    const sites = stack.sites.map((site) => ({
      ...site,
      platforms: {
        kubernetes: { ...site.platforms.kubernetes, clusterId: '00000000-0000-0000-0000-000000000009' },
      },
    }))
    expect(await refused({ stack: { ...stack, sites } })).toMatchObject({ code: 'wrong-cluster' })
  })

  test('masks the token of the administrator, whose file is never quoted', async () => {
    expect(masked).toContain('admin-token')
    const path = join(temporaryFolder(), 'broken')
    writeFileSync(path, 'users: [{ user: { token: hunter2-of-the-administrator\n')
    const error = await refused({ administrator: { kubeconfig: path, context: null } })
    expect(error).toMatchObject({ code: 'kubeconfig-invalid' })
    expect(JSON.stringify(error) + error?.message).not.toContain('hunter2')
  })

  test('is refused for a site that the stack does not declare, before anything is contacted', async () => {
    expect(await refused({ site: 'dc-z', administrator: { kubeconfig: '/none', context: null } })).toMatchObject({
      code: 'unknown-site',
    })
  })
})
