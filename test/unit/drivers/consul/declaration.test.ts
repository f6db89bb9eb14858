import { describe, expect, test } from '@jest/globals'
import type { Stack } from '../../../../src/domain/stack.ts'
import { consul } from '../../../../src/drivers/consul/driver.ts'
import type { ConsulSpec, Federation } from '../../../../src/drivers/consul/spec.ts'
import { consulFixture, federation } from '../../../conformance/fixtures/consul.ts'

const { spec } = federation as Federation
const problems = (more: Partial<ConsulSpec>, stack: Stack = consulFixture.stack): string[] => {
  const { primary, ...kept } = { ...spec, ...more }
  const component = {
    ...federation,
    // A field that is undefined stands for one that is not declared.
    spec: primary === undefined ? kept : { primary, ...kept },
  } as Federation
  const location = { endpoint: 'https://s3.example.com' } as never
  return (consul.validate?.(component, stack, (name) => (name === 'archive' ? location : null)) ?? []).map(
    ({ path, what }) => `${path.join('.')} ${what}`,
  )
}
const sites = (of: Partial<ConsulSpec['sites'][string]>): ConsulSpec['sites'] =>
  ({ ...spec.sites, 'dc-b': { ...spec.sites['dc-b'], ...of } }) as ConsulSpec['sites']

describe('the declaration of Consul', () => {
  test('has no problem as the page has it', () => {
    expect(problems({})).toEqual([])
  })

  test.each<readonly [refused: string, more: Partial<ConsulSpec>, says: string]>([
    ['one datacenter for two sites', { sites: sites({ datacenter: 'dc1' }) }, 'sites.dc-b.datacenter dc1'],
    ['a datacenter with the name of closed doors', { sites: sites({ datacenter: 'closed' }) }, 'closed doors'],
    ['one tag for two sites', { sites: sites({ tag: 'dc-a' }) }, 'sites.dc-b.tag is the tag of dc-a too'],
    ['a token without TLS', { sites: sites({ servers: ['http://10.2.0.11:8500'] }) }, 'a token goes over https alone'],
    ['a certificate without its key', { certificate: { env: 'CERTIFICATE' } }, 'certificate needs `key` beside it'],
    ['redirects without the primary site', { primary: undefined as never }, 'primary must name the site'],
    ['traffic that declares nothing', { traffic: {} }, 'traffic declares neither queries nor redirects'],
    [
      'redirects that are left although no query leads anybody',
      { traffic: { redirects: { services: ['app'], whenPrimaryIsLost: 'leave' } } },
      'leave needs prepared queries',
    ],
    [
      'snapshots in a component that is no object store',
      { snapshots: { store: 'cache', token: { env: 'TOKEN' } } },
      'cache is no object store of dc-a',
    ],
    [
      'snapshots that are removed at once',
      { snapshots: { store: 'archive', token: { env: 'TOKEN' }, retention: '1s' } },
      'snapshots.retention',
    ],
  ])('refuses %s', (_refused, more, says) => {
    expect(problems(more).join('\n')).toContain(says)
  })

  test('refuses the datacenter of the witness at a site that the witness does not name', () => {
    const witness = { driver: 'consul', spec: { datacenter: 'dc2' } }
    const stack = { ...consulFixture.stack, witness } as unknown as Stack
    expect(problems({}, stack).join('\n')).toContain('declare witness.site: dc-b')
    expect(problems({}, { ...stack, witness: { ...witness, site: 'dc-b' } } as unknown as Stack)).toEqual([])
  })
})
