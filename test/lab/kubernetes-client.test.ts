import { createServer } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject, ObjectReference } from '../../src/clients/kubernetes-client.ts'
import { openKubernetes } from '../../src/platform/kubernetes/client/open.ts'
import { type ApiServer, startApiServer } from '../support/api-server.ts'
import { selfSigned } from '../support/certificate.ts'
import { eventually } from '../support/eventually.ts'
import { freePorts, freeze } from '../support/server-process.ts'

let server: ApiServer
let admin: KubernetesClient
const signal = new AbortController().signal
const open = (user: 'admin' | 'nobody' | 'observer', site = 'dc-a'): KubernetesClient =>
  openKubernetes({ site, kubeconfig: server.kubeconfig(user), signal })

beforeAll(async () => {
  server = await startApiServer()
  admin = open('admin')
}, 90_000)
afterAll(() => server.stop())

const configMap = (name: string, data: Record<string, string> = {}, more: object = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', ...more },
  data,
})
const refTo = (name: string): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespace: 'default',
  name,
})

describe('a real API server', () => {
  test('is distinguished from others by the UID of kube-system', async () => {
    expect(await admin.clusterId()).toMatch(/^[0-9a-f-]{36}$/)
    expect(await admin.version()).toMatch(/^v1\./)
  })

  test('creates, reads, lists over pages and removes', async () => {
    await Promise.all(
      Array.from({ length: 510 }, (_, n) => admin.create(configMap(`listed-${n}`, {}, { labels: { of: 'list' } }))),
    )
    const listed = await admin.list(
      { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps' },
      { namespace: 'default', labelSelector: 'of=list' },
    )
    expect(listed).toHaveLength(510)
    expect(listed[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' })
    expect(await admin.get(refTo('listed-3'))).toMatchObject({ metadata: { name: 'listed-3' } })
    expect(await admin.remove(refTo('listed-3'))).toBe(true)
    expect(await admin.remove(refTo('listed-3'))).toBe(false)
    expect(await admin.get(refTo('listed-3'))).toBeNull()
  })

  test('applies twice with one result, and names who holds a field that is wanted by two', async () => {
    const first = await admin.apply(configMap('applied', { a: '1' }))
    const second = await admin.apply(configMap('applied', { a: '1' }))
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
    const other = admin.apply(configMap('applied', { a: '2' }), { fieldManager: 'somebody-else' })
    await expect(other).rejects.toMatchObject({
      code: 'kubernetes-conflict',
      retry: 'never',
      message: expect.stringContaining('conflict with "standby"'),
    })
    const forced = await admin.apply(configMap('applied', { a: '2' }), { fieldManager: 'somebody-else', force: true })
    expect(forced.data).toEqual({ a: '2' })
  })

  test('a webhook that cannot be called is worth another try, one that says no is not', async () => {
    const { key, cert } = selfSigned()
    const [port = 0] = await freePorts(1)
    const review = (says: 'yes' | 'no') =>
      createServer({ key, cert }, (request, response) => {
        let body = ''
        request.on('data', (chunk: Buffer) => {
          body += chunk.toString()
        })
        request.on('end', () => {
          const { uid } = (JSON.parse(body) as { request: { uid: string } }).request
          const answer = {
            uid,
            allowed: says === 'yes',
            ...(says === 'yes' ? {} : { status: { code: 403, message: 'no' } }),
          }
          response.setHeader('content-type', 'application/json')
          response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }))
        })
      })
    const webhook = {
      name: 'watched.example.com',
      rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['configmaps'] }],
      clientConfig: { url: `https://127.0.0.1:${port}/`, caBundle: Buffer.from(cert).toString('base64') },
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } },
      objectSelector: { matchLabels: { of: 'webhook' } },
      failurePolicy: 'Fail',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      timeoutSeconds: 2,
    }
    const api = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' }
    await admin.create(configMap('guarded', { a: '1' }, { labels: { of: 'webhook' } }))
    await admin.create({ ...api, metadata: { name: 'watched' }, webhooks: [webhook] } as unknown as KubernetesObject)
    const change = (to: string) => admin.patch(refTo('guarded'), { data: { a: to } })
    // The API server takes a moment to hear of its own webhook.
    await eventually('the webhook to be called', () =>
      change('2').then(
        () => false,
        () => true,
      ),
    )
    await expect(change('3')).rejects.toMatchObject({ retry: 'transient' })
    const serving = review('no').listen(port, '127.0.0.1')
    await eventually('the webhook to answer', () =>
      change('4').then(
        () => true,
        (error: { retry: string }) => error.retry === 'never',
      ),
    )
    await expect(change('5')).rejects.toMatchObject({ retry: 'never' })
    serving.closeAllConnections()
    await new Promise((resolve) => serving.close(resolve))
    await admin.remove({ ...api, plural: 'validatingwebhookconfigurations', namespace: null, name: 'watched' })
  })

  test('a dry run answers with what would be stored, and stores nothing', async () => {
    expect((await admin.apply(configMap('dry', { a: '1' }), { dryRun: true })).data).toEqual({ a: '1' })
    expect(await admin.get(refTo('dry'))).toBeNull()
  })

  test('a patch at a version that was overtaken is a conflict and changes nothing', async () => {
    const read = await admin.create(configMap('patched', { a: '1' }))
    const version = read.metadata.resourceVersion ?? ''
    await admin.patch(refTo('patched'), { data: { a: '2' } }, { resourceVersion: version })
    const late = admin.patch(refTo('patched'), { data: { a: '3' } }, { resourceVersion: version })
    await expect(late).rejects.toMatchObject({ code: 'kubernetes-conflict', where: 'dc-a default/ConfigMap/patched' })
    expect((await admin.get(refTo('patched')))?.data).toEqual({ a: '2' })
  })

  test.each(['deployments', 'statefulsets'])(
    'a scale of %s at a version that was overtaken is a conflict and changes nothing',
    async (plural) => {
      const kind = plural === 'deployments' ? 'Deployment' : 'StatefulSet'
      const labels = { app: 'scaled' }
      const template = { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app' }] } }
      const metadata = { name: 'scaled', namespace: 'default' }
      const ref: ObjectReference = { apiVersion: 'apps/v1', kind, plural, namespace: 'default', name: 'scaled' }
      const read = await admin.create({
        apiVersion: 'apps/v1',
        kind,
        metadata,
        spec: { replicas: 2, selector: { matchLabels: labels }, template },
      })
      const seen = { subresource: 'scale', resourceVersion: read.metadata.resourceVersion ?? '' } as const
      // A touch: nothing but an annotation changes.
      await admin.patch(ref, { metadata: { annotations: { 'standby.dev/touched': 'by the next one' } } })
      await expect(admin.patch(ref, { spec: { replicas: 0 } }, seen)).rejects.toMatchObject({
        code: 'kubernetes-conflict',
      })
      expect((await admin.get(ref))?.spec).toMatchObject({ replicas: 2 })
      const now = (await admin.get(ref))?.metadata.resourceVersion ?? ''
      await admin.patch(ref, { spec: { replicas: 0 } }, { ...seen, resourceVersion: now })
      expect((await admin.get(ref))?.spec).toMatchObject({ replicas: 0 })
    },
  )

  test('a removal of an object that was made anew by then is a conflict and removes nothing', async () => {
    const first = await admin.create(configMap('anew'))
    const uid = first.metadata.uid ?? ''
    await admin.remove(refTo('anew'))
    await admin.create(configMap('anew'))
    await expect(admin.remove(refTo('anew'), { uid })).rejects.toMatchObject({ code: 'kubernetes-conflict' })
    expect(await admin.get(refTo('anew'))).not.toBeNull()
  })

  test('a second create of one name is a conflict', async () => {
    await admin.create(configMap('once'))
    await expect(admin.create(configMap('once'))).rejects.toMatchObject({ code: 'kubernetes-conflict' })
  })

  test('what is invalid is refused with the field that is', async () => {
    const bad = admin.apply(configMap('Not_A_Name'))
    await expect(bad).rejects.toMatchObject({
      code: 'kubernetes-invalid',
      message: expect.stringContaining('metadata.name'),
    })
  })

  test('a patch of what is missing, and a kind that is not served, are not found', async () => {
    await expect(admin.patch(refTo('missing'), { data: {} })).rejects.toMatchObject({ code: 'kubernetes-not-found' })
    const cluster = {
      apiVersion: 'postgresql.cnpg.io/v1',
      kind: 'Cluster',
      metadata: { name: 'pg', namespace: 'default' },
    }
    await expect(admin.apply(cluster)).rejects.toMatchObject({
      code: 'kubernetes-not-found',
      message: 'dc-a does not serve postgresql.cnpg.io/v1 Cluster',
    })
    await expect(
      admin.create({ ...configMap('x'), metadata: { name: 'x', namespace: 'nowhere' } }),
    ).rejects.toMatchObject({
      code: 'kubernetes-not-found',
      message: expect.stringContaining('nowhere'),
    })
  })

  test('a lacking right is named as the rule to grant', async () => {
    const nobody = open('nobody')
    await expect(
      nobody.list({ apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' }, { namespace: 'default' }),
    ).rejects.toMatchObject({
      code: 'kubernetes-forbidden',
      message: expect.stringContaining(
        'verbs: [list], resources: [deployments], apiGroups: ["apps"], in namespace default',
      ),
      next: expect.stringContaining('standby rbac'),
    })
    await expect(nobody.clusterId()).rejects.toMatchObject({
      code: 'kubernetes-forbidden',
      message: expect.stringContaining('verbs: [get], resources: [namespaces], apiGroups: [""]'),
    })
    await expect(nobody.exec({ namespace: 'default', name: 'p', container: 'c' }, ['true'])).rejects.toMatchObject({
      code: 'kubernetes-forbidden',
      message: expect.stringContaining('resources: [pods/exec]'),
    })
    await expect(
      nobody.proxyGet({ namespace: 'default', pod: 'p', scheme: 'https', port: 8000, path: '/pg/status' }),
    ).rejects.toMatchObject({ code: 'kubernetes-forbidden', message: expect.stringContaining('pods/proxy') })
  })

  test('an identity that may only watch one name can do so', async () => {
    const rbac = 'rbac.authorization.k8s.io/v1'
    await admin.create({
      apiVersion: rbac,
      kind: 'Role',
      metadata: { name: 'one', namespace: 'default' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: ['only'], verbs: ['list', 'watch'] }],
    })
    await admin.create({
      apiVersion: rbac,
      kind: 'RoleBinding',
      metadata: { name: 'one', namespace: 'default' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'one' },
      subjects: [{ kind: 'User', name: 'observer' }],
    })
    const ending = new AbortController()
    const watch = open('observer').watch(refTo('only'), ending.signal)[Symbol.asyncIterator]()
    expect((await watch.next()).value).toBeNull()
    ending.abort()
    expect((await watch.next()).done).toBe(true)
    await expect(open('observer').watch(refTo('other'), signal)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'kubernetes-forbidden',
    })
  })

  test('an unknown token is reported as such', async () => {
    const stranger = openKubernetes({
      site: 'dc-a',
      kubeconfig: server.kubeconfig('admin').replace('admin-token', 'old-token'),
      signal,
    })
    await expect(stranger.clusterId()).rejects.toMatchObject({ code: 'kubernetes-unauthorized' })
  })

  test('a certificate of another authority is not trusted', async () => {
    const foreign = openKubernetes({
      site: 'dc-a',
      kubeconfig: server.kubeconfig('admin').replace(/.*certificate-authority-data.*\n/, ''),
      signal,
    })
    await expect(foreign.version()).rejects.toMatchObject({
      code: 'site-untrusted',
    })
  })

  test('a watch yields the absence, each change and the end of an object, and stops on request', async () => {
    const ending = new AbortController()
    const seen: (string | null)[] = []
    const watching = (async () => {
      for await (const object of admin.watch(refTo('watched'), ending.signal))
        seen.push(object === null ? null : JSON.stringify(object.data))
    })()
    await pause(300)
    await admin.create(configMap('watched', { n: '1' }))
    await admin.patch(refTo('watched'), { data: { n: '2' } })
    await admin.remove(refTo('watched'))
    await pause(500)
    ending.abort()
    await watching
    expect(seen).toEqual([null, '{"n":"1"}', '{"n":"2"}', null])
  })

  test('requests without a method of their own are possible', async () => {
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { verb: 'get', resource: 'pods' } },
    }
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
    expect(await open('nobody').request('POST', path, review)).toMatchObject({ status: { allowed: false } })
    expect(await admin.request('POST', path, review)).toMatchObject({ status: { allowed: true } })
  })

  test('a stopped server that keeps its sockets open is known at the deadline, and works again when it wakes', async () => {
    const client = open('admin')
    await client.version()
    await freeze(server.pid)
    try {
      const began = performance.now()
      await expect(client.get(refTo('frozen'), { deadline: 700 })).rejects.toMatchObject({ code: 'site-unreachable' })
      expect(performance.now() - began).toBeLessThan(1_000)
      await expect(client.get(refTo('frozen'))).rejects.toMatchObject({
        message: expect.stringContaining('no TLS connection within'),
      })
    } finally {
      process.kill(server.pid, 'SIGCONT')
    }
    expect(await client.get(refTo('frozen'))).toBeNull()
  })
})
