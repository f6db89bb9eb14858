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
  keys: { STANDBY_GUARD_ACCESS_KEY_ID: 'c', STANDBY_GUARD_SECRET_ACCESS_KEY: 'd' },
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

test('a guard finds its token of the witness, or its keys, in its environment, and nothing of the other kind', () => {
  const site = 'dc-a' as SiteName
  const madeOf = (keys: Readonly<Record<string, string>>) => {
    const objects = guardManifests(component, toyStack, site, { ...parts, keys }).map(({ object }) => object)
    const [container] = (
      objects.find(({ kind }) => kind === 'Deployment') as unknown as {
        readonly spec: {
          readonly template: { readonly spec: { readonly containers: readonly { readonly env: object[] }[] } }
        }
      }
    ).spec.template.spec.containers
    return { data: objects.find(({ kind }) => kind === 'Secret')?.data, env: container?.env.slice(0, -1) }
  }
  const from = (key: string) => ({ secretKeyRef: { name: 'standby-guard-witness', key } })
  expect(madeOf({ STANDBY_GUARD_TOKEN: 'c' })).toEqual({
    data: { TOKEN: 'Yw==' },
    env: [{ name: 'STANDBY_GUARD_TOKEN', valueFrom: from('TOKEN') }],
  })
  expect(madeOf(parts.keys)).toEqual({
    data: { ACCESS_KEY_ID: 'Yw==', SECRET_ACCESS_KEY: 'ZA==' },
    env: [
      { name: 'STANDBY_GUARD_ACCESS_KEY_ID', valueFrom: from('ACCESS_KEY_ID') },
      { name: 'STANDBY_GUARD_SECRET_ACCESS_KEY', valueFrom: from('SECRET_ACCESS_KEY') },
    ],
  })
})
