import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { proxyEnvironment } from '../../src/runtime/proxies.ts'

describe('the proxies that an environment names', () => {
  test('are none where no variable names one, whatever NO_PROXY says', () => {
    expect(proxyEnvironment({ NO_PROXY: 'example.com', HTTPS_PROXY: ' ' })).toBeNull()
  })

  test('are taken over with the exceptions, networks as the ranges that Node knows', () => {
    expect(
      proxyEnvironment({
        HTTPS_PROXY: 'http://proxy:3128',
        NO_PROXY: 'localhost, .example.com,10.0.0.0/8,192.168.7.9/24,10.1.2.3,fd00::/8',
      }),
    ).toEqual({
      HTTPS_PROXY: 'http://proxy:3128',
      no_proxy: 'localhost,.example.com,10.0.0.0-10.255.255.255,192.168.7.0-192.168.7.255,10.1.2.3,fd00::/8',
    })
  })

  test('let the lower case of NO_PROXY win, as curl does', () => {
    expect(proxyEnvironment({ https_proxy: 'http://p:1', no_proxy: 'a', NO_PROXY: 'b' })?.no_proxy).toBe('a')
  })

  test('give every network a range that begins and ends inside it', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, bits) => {
        const [first = '', last = ''] =
          proxyEnvironment({ http_proxy: 'http://p', no_proxy: `${address}/${bits}` })?.no_proxy?.split('-') ?? []
        const number = (text: string): bigint => text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
        const [begin, end] = [number(first), number(last)]
        expect(end - begin).toBe(2n ** BigInt(32 - bits) - 1n)
        expect(begin <= number(address) && number(address) <= end).toBe(true)
      }),
    )
  })
})
