import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { labNetworks, type MachineFacts, overlaps, unmetRequirements } from '../../../lab/requirements.ts'

const gibibyte = 1024 ** 3
const goodMachine: MachineFacts = {
  platform: 'linux-x64',
  userId: 0,
  memoryBytes: 8 * gibibyte,
  freeBytes: 15 * gibibyte,
  kind: 'kubernetes',
  warm: false,
  cgroupsWritable: true,
  usedNetworks: ['192.168.1.0/24', '10.76.0.0/16', '127.0.0.1'],
  missingPrograms: ['/usr/bin/containerd'],
  hasApt: true,
}

describe('what a machine lacks', () => {
  test('a machine that just suffices gets no complaint', () => {
    expect(unmetRequirements(goodMachine)).toEqual([])
  })

  test.each<[string, Partial<MachineFacts>, RegExp]>([
    ['another platform', { platform: 'darwin-arm64' }, /darwin-arm64/],
    ['no root', { userId: 1000 }, /run it as root/],
    ['little memory', { memoryBytes: 7 * gibibyte }, /8 GiB of memory; this machine has 7\.0 GiB/],
    ['little disk before the first build', { freeBytes: 14 * gibibyte }, /15\.0 GiB of free disk/],
    ['read-only control groups', { cgroupsWritable: false }, /control groups/],
    [
      'an address range in use',
      { usedNetworks: ['10.77.0.128/25'] },
      /10\.77\.0\.0\/24, and this machine has 10\.77\.0\.128\/25/,
    ],
    ['no way to install', { hasApt: false }, /no apt-get/],
  ])('%s is one sentence that says so', (_, lack, sentence) => {
    const sentences = unmetRequirements({ ...goodMachine, ...lack })
    expect(sentences).toHaveLength(1)
    expect(sentences[0]).toMatch(sentence)
  })

  test('everything is said at once, not the first thing only', () => {
    expect(unmetRequirements({ ...goodMachine, userId: 1, memoryBytes: 0, usedNetworks: ['10.0.0.0/8'] })).toHaveLength(
      3,
    )
  })

  test('a lab of machines asks for half the memory and less of the disk', () => {
    const small: MachineFacts = { ...goodMachine, kind: 'machines', memoryBytes: 4 * gibibyte, freeBytes: 6 * gibibyte }
    expect(unmetRequirements(small)).toEqual([])
    expect(unmetRequirements({ ...small, memoryBytes: 3 * gibibyte })).toEqual([
      'The lab needs 4 GiB of memory; this machine has 3.0 GiB.',
    ])
  })

  test('a lab that is built already needs little disk', () => {
    expect(unmetRequirements({ ...goodMachine, warm: true, freeBytes: 4 * gibibyte })).toEqual([])
  })
})

describe('networks in CIDR notation', () => {
  test.each([
    ['10.77.0.0/24', '10.77.0.1', true],
    ['10.77.0.0/24', '10.77.1.0/24', false],
    ['10.78.0.0/16', '10.0.0.0/8', true],
    ['10.77.0.0/24', '0.0.0.0/0', true],
    ['10.77.0.0/24', 'local', false],
  ])('%s and %s overlap: %s', (one, other, expected) => {
    expect(overlaps(one, other)).toBe(expected)
  })

  test('overlap does not depend on the order, and every network overlaps each of its addresses', () => {
    const octet = fc.integer({ min: 0, max: 255 })
    const network = fc.tuple(octet, octet, octet, octet, fc.integer({ min: 0, max: 32 }))
    fc.assert(
      fc.property(network, network, (a, b) => {
        const [one, other] = [a, b].map((parts) => `${parts.slice(0, 4).join('.')}/${parts[4]}`)
        expect(overlaps(one ?? '', other ?? '')).toBe(overlaps(other ?? '', one ?? ''))
        expect(overlaps(one ?? '', a.slice(0, 4).join('.'))).toBe(true)
      }),
    )
  })

  test('the three ranges of the lab do not overlap each other', () => {
    const [wan, pods, services] = labNetworks
    expect([overlaps(wan, pods), overlaps(wan, services), overlaps(pods, services)]).toEqual([false, false, false])
  })
})
