import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import type { KubernetesClient } from '../../src/clients/kubernetes-client.ts'
import { localCredential, secretCredential } from '../../src/composition/credentials.ts'
import type { SiteName } from '../../src/domain/stack.ts'
import { maskSecret } from '../../src/runtime/mask-secret.ts'
import { kubeconfigOf } from '../support/kubeconfig.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const masksOf = (value: string): string[] => {
  const masks: string[] = []
  maskSecret(value, (secret) => masks.push(secret))
  return masks
}

test('a secret of several lines is masked line by line, as GitHub compares', () => {
  expect(masksOf('-----BEGIN KEY-----\n  c2VjcmV0LW9uZQ==\nc2VjcmV0LXR3bw==\r\n-----END KEY-----\n')).toEqual([
    '-----BEGIN KEY-----',
    'c2VjcmV0LW9uZQ==',
    'c2VjcmV0LXR3bw==',
    '-----END KEY-----',
  ])
})

test('what is too short to be masked without blanking out the log is left', () => {
  expect(masksOf('prod\n\ndc-a\n12345')).toEqual([])
})

test('of a kubeconfig only the secrets of its users are masked, so that words like "clusters:" stay readable', () => {
  expect(masksOf(kubeconfigOf({ url: 'https://dc-a.example.com:6443', user: 'token: the-token-of-dc-a' }))).toEqual([
    'the-token-of-dc-a',
  ])
  const exec = `{ exec: { apiVersion: client.authentication.k8s.io/v1, command: get-token, args: [--cluster, dc-a], env: [{ name: TOKEN_KEY, value: key-in-exec }] } }`
  expect(
    masksOf(
      kubeconfigOf({
        url: 'https://x',
        user: `client-certificate-data: Q0VSVA==\n    client-key-data: S0VZS0VZ\n    password: hunter22`,
      }),
    ),
  ).toEqual(['Q0VSVA==', 'S0VZS0VZ', 'hunter22'])
  expect(
    masksOf(
      kubeconfigOf({
        url: 'https://x',
        user: 'token: some-token',
        cluster: 'proxy-url: http://me:proxy-password@proxy:3128',
      }),
    ),
  ).toEqual(['some-token', 'proxy-password'])
  expect(masksOf(`kind: Config\nusers:\n- { name: admin-of-dc-a, user: ${exec} }\n`)).toEqual(['key-in-exec'])
  expect(
    masksOf(JSON.stringify({ kind: 'Config', users: [{ name: 'admin-of-dc-a', user: { token: 'a-json-token' } }] })),
  ).toEqual(['a-json-token'])
})

test('what only looks like a kubeconfig is masked whole', () => {
  expect(masksOf('users:\n- { name: x')).toEqual(['users:', '- { name: x'])
  expect(masksOf('kind: Other\nusers: [secret-a]')).toEqual(['kind: Other', 'users: [secret-a]'])
})

test('a path is not a secret, and the content of its file is', () => {
  const path = join(temporaryFolder(), 'kubeconfig')
  writeFileSync(path, kubeconfigOf({ url: 'https://x', user: 'token: token-in-the-file' }))
  expect(masksOf(path)).toEqual(['token-in-the-file'])
})

test('a missing variable is named together with the line that a workflow lacks', () => {
  const sources = { env: { EMPTY: '' }, directory: '.', mask: () => undefined }
  for (const name of ['EMPTY', 'MISSING'])
    expect(() => localCredential({ env: name }, sources)).toThrow(
      expect.objectContaining({ code: 'credential-missing', message: `the environment variable ${name} is not set` }),
    )
})

/** The same value by each way in which a credential can be handed over. */
async function readings(value: string): Promise<(string | { code: unknown })[]> {
  const directory = temporaryFolder()
  writeFileSync(join(directory, 'credential'), value)
  const sources = { env: { IT: value }, directory, mask: () => undefined }
  const data = { key: Buffer.from(value).toString('base64') }
  const kubernetes = () => ({ get: async () => ({ data }) }) as unknown as KubernetesClient
  const secret = { secret: { namespace: 'n', name: 's', key: 'key' } }
  const ways = [
    async () => localCredential({ env: 'IT' }, sources),
    async () => localCredential({ file: 'credential' }, sources),
    () => secretCredential(secret, kubernetes, 'dc-a' as SiteName, sources),
  ]
  return Promise.all(ways.map((way) => way().catch((error: { code: unknown }) => ({ code: error.code }))))
}

test.each(['\n', '\r\n', '\n\n', '\r'])(
  'a line break at the end (%j) is no part of a credential, wherever it is read',
  async (end) => {
    expect(await readings(`the-key${end}`)).toEqual(['the-key', 'the-key', 'the-key'])
    expect(await readings(` a b\nc${end}`)).toEqual([' a b\nc', ' a b\nc', ' a b\nc'])
  },
)

test.each(['', '\n', '\r\n'])(
  'a credential of nothing but a line end (%j) is missing, wherever it is read',
  async (value) => {
    const missing = { code: 'credential-missing' }
    expect(await readings(value)).toEqual([missing, missing, missing])
  },
)
