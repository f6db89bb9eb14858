import { connect } from 'node:net'
import type { Milliseconds } from '../duration.ts'

/** How long a TCP connection to an address takes; null when none stands within the time. For clients that do not say themselves how slow the way is. */
export function roundTripTo(address: string, within: Milliseconds): Promise<Milliseconds | null> {
  const place = placeOf(address)
  if (place === null) return Promise.resolve(null)
  return new Promise((resolve) => {
    let begun = performance.now()
    const socket = connect(place)
    const end = (took: Milliseconds | null): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(took)
    }
    const timer = setTimeout(() => end(null), within)
    socket.once('lookup', () => {
      begun = performance.now()
    })
    socket.once('connect', () => end(performance.now() - begun))
    socket.on('error', () => end(null))
  })
}

function placeOf(address: string): { readonly host: string; readonly port: number } | null {
  if (!URL.canParse(address)) return null
  const { hostname, port, protocol } = new URL(address)
  const usual = USUAL[protocol]
  return port === '' && usual === undefined ? null : { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || usual) }
}
const USUAL: Readonly<Record<string, number>> = { 'https:': 443, 'http:': 80, 'ssh:': 22 }
