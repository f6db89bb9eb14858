import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { drivers, witnesses } from '../../../src/drivers/registry.ts'
import { loadStack } from '../../../src/stack/load-stack.ts'
import type { StackInvalid } from '../../../src/stack/problems.ts'
import { selfSigned } from '../../support/certificate.ts'

const keys = '{ accessKeyId: { env: ID }, secretAccessKey: { env: KEY } }'
const stack = `
standby: 1
name: shop
initialActive: dc-a
sites:
  dc-a: { kubernetes: { kubeconfig: { env: A }, clusterId: 3f1c9a52-1111-4a4a-9b9b-000000000001 } }
  dc-b: { kubernetes: { kubeconfig: { env: B }, clusterId: 3f1c9a52-1111-4a4a-9b9b-000000000002 } }
witness: { driver: s3, endpoint: https://s3.example.com, region: us-east-1, bucket: witness, credentials: ${keys} }
components:
  archive:
    driver: s3
    sites:
      dc-a: { endpoint: https://s3.a.example.com, region: us-east-1, bucket: archive-a, credentials: ${keys}, readCredentials: ${keys} }
      dc-b: { endpoint: https://s3.b.example.com, region: us-east-1, bucket: archive-b, credentials: ${keys}, readCredentials: ${keys} }
  database:
    driver: cloudnative-pg
    needs: [archive]
    namespace: shop
    database: shop
    owner: shop
    archive: { store: archive }
    secrets: { superuser: pg-superuser, owner: pg-owner }
    cluster: { file: database.yaml }
    sites: { dc-a: { name: pg-dc-a }, dc-b: { name: pg-dc-b } }
`

/** What is wrong with a stack whose cluster file holds this. */
async function problemsWith(clusterFile: string): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'standby-files-'))
  writeFileSync(join(directory, 'standby.yaml'), stack)
  writeFileSync(join(directory, 'database.yaml'), clusterFile)
  try {
    await loadStack(join(directory, 'standby.yaml'), { drivers, witnesses })
    return []
  } catch (error) {
    return (error as StackInvalid).problems.map(({ path, what, line }) => `${line} ${path}: ${what}`)
  }
}

test('a cluster file that would lose something is an error of the stack file, at the line that names it', async () => {
  expect(await problemsWith('instances: 2\nstorage: { size: 1Gi }\n')).toEqual([])
  expect(await problemsWith('bootstrap: { recovery: { source: old } }\n')).toEqual([
    expect.stringMatching(
      /^\d+ components.database.cluster.file: database.yaml: bootstrap.recovery is not yours to set: .*docs\/adopting.md/,
    ),
  ])
  expect(await problemsWith('kind: Cluster\nspec: {}\n')).toEqual([expect.stringContaining('without `kind`')])
})

test('a file of authorities is judged when the stack is loaded, at the place that names it, and is part of the digest', async () => {
  const { cert, key } = selfSigned()
  const load = async (content: string, named = 'https://s3.example.com, endpointCA: ca.pem') => {
    const directory = mkdtempSync(join(tmpdir(), 'standby-files-'))
    writeFileSync(join(directory, 'standby.yaml'), stack.replace('https://s3.example.com', named))
    writeFileSync(join(directory, 'database.yaml'), 'instances: 2\n')
    writeFileSync(join(directory, 'ca.pem'), content)
    return loadStack(join(directory, 'standby.yaml'), { drivers, witnesses })
  }
  const told = async (content: string, named?: string): Promise<string[]> => {
    const found = await load(content, named).catch((error: StackInvalid) => error)
    const problems = 'problems' in found ? found.problems : (found.warnings ?? [])
    return problems.map(({ path, what }) => `${path}: ${what}`)
  }
  expect(await told(cert)).toEqual([])
  expect(await told('')).toEqual([
    'witness.endpointCA: ca.pem holds no certificate in PEM (-----BEGIN CERTIFICATE-----)',
  ])
  expect(await told(cert.replace(/MII./, 'MIIA'))).toEqual([
    'witness.endpointCA: ca.pem holds a certificate that cannot be read (number 1)',
  ])
  expect(await told(`${cert}${key}`)).toEqual([
    'witness.endpointCA: ca.pem holds a private key: only the certificates belong here',
  ])
  expect(await told(cert, 'http://s3.internal, endpointCA: ca.pem')).toEqual([
    expect.stringContaining('witness.endpointCA: http://s3.internal shows no certificate'),
  ])
  expect(await told(cert, 'https://s3.example.com, endpointCA: nowhere.pem')).toEqual([
    expect.stringContaining('witness.endpointCA: the file nowhere.pem does not exist'),
  ])
  expect((await load(cert)).source.digest).not.toBe((await load(selfSigned().cert)).source.digest)
})

test.each<[string, Buffer, number]>([
  ['UTF-16', Buffer.from(`\uFEFF${stack}`, 'utf16le'), 1],
  ['Latin-1', Buffer.from(stack.replace('name: shop', 'name: shop # für uns'), 'latin1'), 3],
])(
  'a stack file in %s is refused as not UTF-8, with its line, and never read with wrong letters',
  async (_, bytes, line) => {
    const directory = mkdtempSync(join(tmpdir(), 'standby-files-'))
    writeFileSync(join(directory, 'standby.yaml'), bytes)
    await expect(loadStack(join(directory, 'standby.yaml'), { drivers, witnesses })).rejects.toMatchObject({
      code: 'stack-invalid',
      problems: [{ line, what: expect.stringContaining('UTF-8') }],
    })
  },
)
