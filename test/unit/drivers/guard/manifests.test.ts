import { expect, test } from '@jest/globals'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { configurationOf, guardManifests, PROGRAM } from '../../../../src/drivers/guard/manifests.ts'
import type { GuardComponent } from '../../../../src/drivers/guard/spec.ts'
import { WITNESS_AUTHORITIES } from '../../../../src/guard/names.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const keys = { accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } }
const component: GuardComponent = {
  name: 'guard',
  driver: 'guard',
  needs: [],
  spec: { image: 'node:24', witnessCredentials: keys },
}

const parts = {
  program: { sha256: 'a', packed: 'b', bytes: 1 },
  stackFile: '',
  keys: { id: 'c', secret: 'd' },
  authorities: null,
}

test('a guard leaves a node that is dead or cut off within seconds: a site that comes back in part has one', () => {
  const deployment = guardManifests(component, toyStack, 'dc-a' as SiteName, parts).find(
    ({ plural }) => plural === 'deployments',
  )
  const told = (taint: string) => ({
    key: `node.kubernetes.io/${taint}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 10,
  })
  expect(deployment?.object).toMatchObject({
    spec: { template: { spec: { tolerations: [told('not-ready'), told('unreachable')] } } },
  })
})

test('a guard is given the authorities of the witness, and is begun anew with others', () => {
  const site = 'dc-a' as SiteName
  const dataOf = (authorities: string | null) =>
    guardManifests(component, toyStack, site, { ...parts, authorities }).find(
      ({ object }) => object.metadata.name === PROGRAM,
    )?.object.data
  expect(dataOf('PEM')).toMatchObject({ [WITNESS_AUTHORITIES]: 'PEM' })
  expect(dataOf(null)).not.toHaveProperty([WITNESS_AUTHORITIES])
  const hashes = [null, 'PEM', 'other'].map((authorities) =>
    configurationOf(component, site, { ...parts, authorities }),
  )
  expect(new Set(hashes).size).toBe(3)
})
