import * as http from 'node:http'
import { isIPv4 } from 'node:net'
import { inputError } from '../errors/standby-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Of curl, kubectl and helm; the lower case wins where both are set, as it does in Node. */
const PROXY_NAMES = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'] as const

/**
 * Sends all that leaves this process through the proxies that the environment names, as curl, kubectl and helm do.
 * Called once, before the first request. Throws `proxy-invalid` for an address that is none. Returns false where no
 * proxy is named.
 */
export function honourProxies(env: Environment): boolean {
  const proxyEnv = proxyEnvironment(env)
  if (proxyEnv === null) return false
  const named = PROXY_NAMES.filter((name) => proxyEnv[name] !== undefined)
  // Since Node 24.14. An older one would go past the proxy without a word.
  if (typeof http.setGlobalProxyFromEnv !== 'function')
    throw inputError(
      'proxy-invalid',
      `${named.join(', ')} is set, and Node ${process.versions.node} knows no proxies`,
      {
        next: 'Use Node 24.14 or newer, or unset it.',
      },
    )
  try {
    http.setGlobalProxyFromEnv(proxyEnv)
  } catch {
    // The text of Node quotes the address, which may hold a password.
    throw inputError('proxy-invalid', `${named.join(' or ')} is no address of a proxy`, {
      next: 'Write http://host:port. Nothing was contacted.',
    })
  }
  return true
}

/**
 * Lets `fetch` go past the proxy to an address inside a network of NO_PROXY. Its dispatcher knows names and single
 * addresses, and neither networks nor ranges; Node's own agents do. Called before the first request to a server; does
 * nothing for names, and where no proxy is named.
 */
export function exemptAddress(url: string, env: Environment = process.env): void {
  const hostname = URL.canParse(url) ? new URL(url).hostname : ''
  const proxyEnv = proxyEnvironment(env)
  if (proxyEnv === null || exempted.has(hostname) || !isIPv4(hostname)) return
  const inside = (proxyEnv.no_proxy ?? '').split(',').some((entry) => {
    const [first = '', last = ''] = entry.split('-')
    return (
      isIPv4(first) && isIPv4(last) && numberOf(first) <= numberOf(hostname) && numberOf(hostname) <= numberOf(last)
    )
  })
  if (!inside) return
  exempted.add(hostname)
  http.setGlobalProxyFromEnv({ ...proxyEnv, no_proxy: [proxyEnv.no_proxy, ...exempted].join(',') })
}
const exempted = new Set<string>()

/**
 * What Node's agents read, with the ranges of NO_PROXY in the notation that Node knows; null where no proxy is named.
 * Pure.
 */
export function proxyEnvironment(env: Environment): Record<string, string> | null {
  const proxies = PROXY_NAMES.flatMap((name): [string, string][] => {
    const value = env[name]?.trim() ?? ''
    return value === '' ? [] : [[name, value]]
  })
  if (proxies.length === 0) return null
  const without = env.no_proxy ?? env.NO_PROXY ?? ''
  return {
    ...Object.fromEntries(proxies),
    no_proxy: without
      .split(',')
      .map((entry) => rangeOf(entry.trim()))
      .join(','),
  }
}

/** `10.0.0.0/8` as `10.0.0.0-10.255.255.255`: kubectl and helm know the first, Node knows the second alone. */
function rangeOf(entry: string): string {
  const [address = '', bits = ''] = entry.split('/')
  const length = Number(bits)
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || length > 32) return entry
  const size = 2 ** (32 - length)
  const first = Math.floor(numberOf(address) / size) * size
  return `${addressOf(first)}-${addressOf(first + size - 1)}`
}
const numberOf = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
const addressOf = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
