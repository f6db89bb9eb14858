import type { ObjectInfo } from './object-store-client.ts'
import { textOf } from './s3-xml.ts'

/** Standby keeps nothing larger than this by itself: dumps and WAL go from pod to store. */
const LARGEST_ANSWER = 64 * 1024 * 1024

/** The whole body; an answer that does not end is given up at {@link LARGEST_ANSWER}. */
export async function bytesOf(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > LARGEST_ANSWER) throw new Error('its answer is larger than 64 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** `encodeURIComponent` leaves five characters that S3 signs in their encoded form; slashes stay. */
export const encodeKey = (key: string): string =>
  key
    .split('/')
    .map((part) => encodeURIComponent(part).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`))
    .join('/')

export function infoOf(key: string, headers: Headers, version: string): ObjectInfo {
  const metadata = Array.from(headers).filter(([name]) => name.startsWith('x-amz-meta-'))
  return {
    key,
    bytes: Number(headers.get('content-length') ?? 0),
    version,
    modified: new Date(headers.get('last-modified') ?? 0).toISOString(),
    metadata: Object.fromEntries(metadata.map(([name, value]) => [name.slice('x-amz-meta-'.length), value])),
  }
}

export function listedInfo(content: string, prefix: string): ObjectInfo {
  return {
    key: (textOf(content, 'Key') ?? '').slice(prefix.length),
    bytes: Number(textOf(content, 'Size')),
    version: textOf(content, 'ETag') ?? '',
    modified: new Date(textOf(content, 'LastModified') ?? 0).toISOString(),
  }
}
