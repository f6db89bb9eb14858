import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { readLabEnvironment } from '../../lab/environment.ts'
import type { KubernetesClient, PodReference } from '../../src/clients/kubernetes-client.ts'
import { openKubernetes } from '../../src/platform/kubernetes/client/open.ts'

const namespace = `t-client-${randomBytes(3).toString('hex')}`
const pod: PodReference = { namespace, name: 'shell', container: 'shell' }
let site: KubernetesClient

beforeAll(async () => {
  const lab = await readLabEnvironment()
  const dcA = lab.sites.find(({ name }) => name === 'dc-a')
  if (dcA === undefined) throw new Error('the lab has no dc-a')
  site = openKubernetes({ site: dcA.name, kubeconfig: dcA.kubeconfig, signal: new AbortController().signal })
  await site.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  const command = ['sh', '-c', 'echo first line; echo last line; exec python3 -m http.server 8000']
  const container = { name: 'shell', image: lab.images.tools, imagePullPolicy: 'Never', command }
  await site.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod.name, namespace },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ ...container, workingDir: '/etc' }] },
  })
  const running = AbortSignal.timeout(60_000)
  const ref = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespace, name: pod.name }
  for await (const seen of site.watch(ref, running))
    if ((seen?.status as { readonly phase?: string } | undefined)?.phase === 'Running') break
  running.throwIfAborted()
}, 90_000)
afterAll(() =>
  site?.remove(
    { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', namespace: null, name: namespace },
    { propagation: 'Background' },
  ),
)

test('a command in a real container gets its input to the end, and its outputs and exit code come back', async () => {
  expect(
    await site.exec(pod, ['sh', '-c', 'wc -c; echo "$0" >&2; exit 5', '$HOME *'], { stdin: 'x'.repeat(300_000) }),
  ).toEqual({
    code: 5,
    stdout: '300000\n',
    stderr: '$HOME *\n',
  })
})

test('a large output arrives whole', async () => {
  const { stdout } = await site.exec(pod, ['seq', '1', '200000'], { deadline: 20_000 })
  expect(stdout.endsWith('\n199999\n200000\n')).toBe(true)
  expect(stdout).toHaveLength(1_288_895)
})

test('a missing program and a missing container are distinguished', async () => {
  await expect(site.exec(pod, ['no-such-program'])).rejects.toMatchObject({
    code: 'kubernetes-exec-failed',
    message: expect.stringContaining('no-such-program'),
  })
  await expect(site.exec({ ...pod, container: 'other' }, ['true'])).rejects.toMatchObject({
    code: 'kubernetes-invalid',
  })
  await expect(site.exec({ ...pod, name: 'nobody' }, ['true'])).rejects.toMatchObject({ code: 'kubernetes-not-found' })
})

test('a command that does not end is left at its deadline', async () => {
  const began = performance.now()
  await expect(site.exec(pod, ['sleep', '30'], { deadline: 500 })).rejects.toMatchObject({ code: 'kubernetes-timeout' })
  expect(performance.now() - began).toBeLessThan(1_200)
})

test('logs are text, as many lines as asked for', async () => {
  expect(await site.logs(pod, { tailLines: 1 })).toBe('last line\n')
  expect(await site.logs(pod)).toBe('first line\nlast line\n')
})

test('a port of a pod is reached through the API server', async () => {
  const target = { namespace, pod: pod.name, scheme: 'http', port: 8000, path: '/hostname' } as const
  let answer = await site.proxyGet(target)
  for (let tries = 0; tries < 50 && answer.status === 503; tries++) {
    await pause(200)
    answer = await site.proxyGet(target)
  }
  expect(answer).toEqual({ status: 200, body: expect.stringContaining('shell') })
})
