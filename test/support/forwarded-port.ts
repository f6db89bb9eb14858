import { createServer, connect as openSocket, type Socket } from 'node:net'

/** The address of this machine, where another one reaches it by the pair of addresses that they share. */
export const thisEndOf = (machine: string): string =>
  [...machine.split('.').slice(0, 3), Number(machine.split('.').at(-1)) - 1].join('.')

/**
 * A server listens on an address that only this machine has: from here on it also answers where another machine
 * reaches this one. `machine`: the address of that other one, the second of a pair. Returns the new endpoint.
 */
export async function forwardedPort(
  machine: string,
  endpoint: string,
): Promise<{ readonly endpoint: string; stop(): Promise<unknown> }> {
  const { hostname, port, protocol } = new URL(endpoint)
  const here = thisEndOf(machine)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const to = openSocket(Number(port), hostname)
    client.pipe(to).pipe(client)
    for (const end of [client, to]) {
      sockets.add(end)
      end.on('error', () => end.destroy()).on('close', () => sockets.delete(end))
    }
  })
  await new Promise<void>((resolve) => server.listen(Number(port), here, resolve))
  return {
    endpoint: `${protocol}//${here}:${port}`,
    stop() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}
