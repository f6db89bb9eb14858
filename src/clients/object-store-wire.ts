import type { ObjectInfo } from './object-store-client.ts'
import { textOf } from './s3-xml.ts'

/** What is asked of a store, before it is signed. */
export interface StoreRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  /** Relative to the location's prefix; null for the bucket. */
  readonly key: string | null
  readonly action: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Bytes of its answer. */
  readonly largest?: number | undefined
}

/** Standby keeps nothing larger than this by itself: dumps and WAL go from pod to store. */
const LARGEST_ANSWER = 64 * 1024 * 1024

/** The store answers, and what it has cannot be read: another try brings the same. The message continues "it". */
export class UnreadableBody extends Error {}

/**
 * The whole body; `heard` hears each part. Throws {@link UnreadableBody} for one larger than `largest` bytes, and for
 * one that is not encoded as its header says.
 */
export async function bytesOf(response: Response, largest = LARGEST_ANSWER, heard?: () => void): Promise<Uint8Array> {
  const tooLarge = (): UnreadableBody => new UnreadableBody(`is larger than ${Math.round(largest / 1024 / 1024)} MiB`)
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of response.body ?? []) {
      heard?.()
      bytes += chunk.length
      if (bytes > largest) throw tooLarge()
      chunks.push(chunk)
    }
  } catch (error) {
    throw isOfDecoder(error) ? new UnreadableBody('is not encoded as it says (Content-Encoding)') : error
  }
  return Buffer.concat(chunks)
}

/**
 * zlib's and Brotli's own codes: the bytes came, and are no such stream. One that was cut off with its connection fails
 * by that.
 */
const isOfDecoder = (error: unknown): boolean =>
  [error, (error as Error | undefined)?.cause].some((one) => /^(Z_|ERR__ERROR|ERR_BROTLI|ERR_ZSTD)/.test(codeOf(one)))
const codeOf = (error: unknown): string => String((error as { readonly code?: unknown } | null | undefined)?.code ?? '')

/** `encodeURIComponent` leaves five characters that S3 signs in their encoded form; slashes stay. */
export const encodeKey = (key: string): string =>
  key
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
    )
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
