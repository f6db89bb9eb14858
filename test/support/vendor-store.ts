import { createHash } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { AccessKeys } from '../../src/clients/access-keys.ts'
import { type ObjectStorePlace, openObjectStore } from '../../src/clients/object-store.ts'
import type { ObjectStoreClient } from '../../src/clients/object-store-client.ts'

type Access = ObjectStorePlace & AccessKeys

export interface VendorRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}
export interface VendorAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}
export interface VendorStore extends AsyncDisposable {
  readonly endpoint: string
  readonly requests: VendorRequest[]
  /** What the vendor says instead; null lets the request through to the objects. */
  says: (request: VendorRequest) => VendorAnswer | null
  /** `false`: looks at a precondition, lets some time pass, and stores then. */
  atomic: boolean
  access(more?: Partial<Access>): Access
  open(more?: Partial<Access>): ObjectStoreClient
}

/** An error as S3 writes it. */
export const s3Error = (
  status: number,
  code: string,
  more = '',
  headers: Readonly<Record<string, string>> = {},
): VendorAnswer => ({
  status,
  headers: { 'content-type': 'application/xml', ...headers },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>As the vendor words it</Message>${more}<RequestId>1</RequestId></Error>`,
})

/**
 * Takes one write a second to each key and answers 429 to the others, without Retry-After, as Cloudflare R2 documents
 * of itself.
 */
export function oneWriteASecond(): (request: VendorRequest) => VendorAnswer | null {
  const last = new Map<string, number>()
  return ({ method, path }) => {
    if (method !== 'PUT') return null
    if (performance.now() - (last.get(path) ?? Number.NEGATIVE_INFINITY) < 1_000) return s3Error(429, 'TooManyRequests')
    last.set(path, performance.now())
    return null
  }
}

/** A real HTTP server that keeps objects under preconditions, and answers as a vendor does where it is told to. */
export async function startVendorStore(): Promise<VendorStore> {
  const objects = new Map<string, { readonly body: Buffer; readonly etag: string }>()
  const answerTo = async ({ method, path, headers, body }: VendorRequest): Promise<VendorAnswer> => {
    const [key = ''] = path.split('?')
    const found = objects.get(key)
    if (method === 'PUT') {
      const holds =
        (headers['if-none-match'] === undefined || found === undefined) &&
        (headers['if-match'] ?? found?.etag) === found?.etag
      if (!holds) return s3Error(412, 'PreconditionFailed')
      if (!vendor.atomic) await pause(50)
      const etag = `"${createHash('md5').update(body).digest('hex')}"`
      objects.set(key, { body, etag })
      return { status: 200, headers: { etag } }
    }
    if (method === 'DELETE') objects.delete(key)
    if (method === 'DELETE') return { status: 204 }
    if (found === undefined) return s3Error(404, 'NoSuchKey')
    return {
      status: 200,
      headers: { etag: found.etag, 'last-modified': new Date().toUTCString() },
      body: found.body.toString(),
    }
  }
  const server = createServer((from, to) => {
    bodyOf(from).then(
      async (body) => {
        const request: VendorRequest = { method: from.method ?? '', path: from.url ?? '', headers: from.headers, body }
        vendor.requests.push(request)
        const answer = vendor.says(request) ?? (await answerTo(request))
        to.writeHead(answer.status, answer.headers).end(answer.body)
      },
      () => from.socket.destroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const keys = { accessKeyId: 'id', secretAccessKey: 'secret' }
  const access = (more: Partial<Access> = {}): Access => ({
    ...{ endpoint, region: 'us-east-1', bucket: 'bucket', prefix: '' },
    ...keys,
    ...more,
  })
  const vendor: VendorStore = {
    endpoint,
    requests: [],
    says: () => null,
    atomic: true,
    access,
    open: (more) => openObjectStore(access(more)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return vendor
}

async function bodyOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
