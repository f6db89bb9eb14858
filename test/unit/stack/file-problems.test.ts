import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { drivers, witnesses } from '../../../src/drivers/registry.ts'
import { loadStack } from '../../../src/stack/load-stack.ts'
import type { StackInvalid } from '../../../src/stack/problems.ts'

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
