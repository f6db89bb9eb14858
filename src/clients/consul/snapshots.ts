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

/** Replaces the whole state of a datacenter by that of a snapshot. Consul checks its sums before. */
export async function restoreSnapshot(client: ConsulClient, snapshot: Buffer): Promise<void> {
  await client.ask({ method: 'PUT', path: 'snapshot', body: snapshot.toString('base64'), isBinary: true })
}
