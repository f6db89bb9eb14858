import { createServer, connect as openSocket, type Socket } from 'node:net'
import type { SystemdMachine } from './systemd-machine.ts'

/**
 * A server listens on an address that only this computer has: from here on it also answers where a machine of tests
 * reaches this computer. Returns that endpoint.
 */
export async function forwardedPort(
  { gateway }: Pick<SystemdMachine, 'gateway'>,
  endpoint: string,
): Promise<{ readonly endpoint: string; stop(): Promise<unknown> }> {
  const { hostname, port, protocol } = new URL(endpoint)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const to = openSocket(Number(port), hostname)
    client.pipe(to).pipe(client)
    for (const end of [client, to]) {
      sockets.add(end)
      end.on('error', () => end.destroy()).on('close', () => sockets.delete(end))
    }
  })
  await new Promise<void>((resolve) => server.listen(Number(port), gateway, resolve))
  return {
    endpoint: `${protocol}//${gateway}:${port}`,
    stop() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}
