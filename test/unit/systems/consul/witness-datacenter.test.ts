import { expect, test } from '@jest/globals'
import type { SiteName, Stack } from '../../../../src/domain/stack.ts'
import { witnessDatacenterProblems } from '../../../../src/systems/consul/witness-datacenter.ts'

const witness = (site?: string, driver = 'consul'): Pick<Stack, 'witness'> => ({
  witness: { driver, spec: { datacenter: 'dc3' }, ...(site === undefined ? {} : { site: site as SiteName }) },
})
const datacenters = [
  { site: 'dc-a', datacenter: 'dc1', path: ['sites', 'dc-a', 'datacenter'] },
  { site: 'dc-c', datacenter: 'dc3', path: ['sites', 'dc-c', 'datacenter'] },
]

test('a witness in the datacenter of a site must name that site', () => {
  for (const said of [undefined, 'dc-a'])
    expect(witnessDatacenterProblems(witness(said), datacenters)).toEqual([
      { path: ['sites', 'dc-c', 'datacenter'], what: expect.stringContaining('declare witness.site: dc-c') },
    ])
  expect(witnessDatacenterProblems(witness('dc-c'), datacenters)).toEqual([])
})

test('a witness in another datacenter, or in no Consul, is no matter of the datacenters of sites', () => {
  expect(witnessDatacenterProblems(witness(undefined), datacenters.slice(0, 1))).toEqual([])
  expect(witnessDatacenterProblems(witness(undefined, 's3'), datacenters)).toEqual([])
})
