import type { ConsulClient } from './client.ts'

/**
 * The whole state of a datacenter as Consul packs it (gzip), credentials included. It needs a token with
 * `management`. More than `mostBytes` is no answer: `silent`.
 */
export async function saveSnapshot(client: ConsulClient, mostBytes: number, datacenter?: string): Promise<Buffer> {
  const call = { method: 'GET', path: 'snapshot', datacenter, mostBytes, isBinary: true } as const
  const { body } = await client.ask(call)
  if (body === '') throw client.unreadable(call, 'it is empty')
  return Buffer.from(body, 'base64')
}
