import type { ConsulClient } from './client.ts'

/**
 * The whole state of a datacenter as Consul packs it (gzip), credentials included. It needs a token with
 * `management`. More than `mostBytes` is no answer: `silent`.
 */
export async function saveSnapshot(client: ConsulClient, mostBytes: number): Promise<Buffer> {
  const call = { method: 'GET', path: 'snapshot', mostBytes, isBinary: true } as const
  const { body } = await client.ask(call)
  if (body === '') throw client.unreadable(call, 'it is empty')
  return Buffer.from(body, 'base64')
}
