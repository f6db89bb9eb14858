import { connect } from 'node:net'
import { addressOf, type HostName } from '../topology.ts'

/** True when the host takes a TCP connection to the port within a second. */
export function accepts(host: HostName, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: addressOf[host], port, timeout: 1_000 })
    const answer = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => answer(true))
    socket.once('timeout', () => answer(false))
    socket.once('error', () => answer(false))
  })
}
