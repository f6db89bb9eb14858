import { expect, test } from '@jest/globals'
import { guardManifests } from '../../../../src/drivers/guard/manifests.ts'
import type { GuardComponent } from '../../../../src/drivers/guard/spec.ts'
import type { SiteName } from '../../../../src/stack/stack.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const keys = { accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } }
const component: GuardComponent = { name: 'guard', driver: 'guard', needs: [], spec: { image: 'node:24', witnessCredentials: keys } }

test('a guard leaves a node that is dead or cut off within seconds: a site that comes back in part has one', () => {
  const parts = { program: { sha256: 'a', packed: 'b', bytes: 1 }, stackFile: '', keys: { id: 'c', secret: 'd' } }
  const deployment = guardManifests(component, toyStack, 'dc-a' as SiteName, parts).find(({ plural }) => plural === 'deployments')
  const told = (taint: string) => ({ key: `node.kubernetes.io/${taint}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 10 })
  expect(deployment?.object).toMatchObject({ spec: { template: { spec: { tolerations: [told('not-ready'), told('unreachable')] } } } })
})
