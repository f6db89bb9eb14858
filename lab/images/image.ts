import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import type { Layer } from './layer.ts'

/** What an image is made of; names are given in full, as containerd keeps them. */
export interface Image {
  readonly names: readonly string[]
  readonly layers: readonly Layer[]
  readonly entrypoint?: readonly string[]
  readonly user?: string
  readonly path?: string
  readonly workingDirectory?: string
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

interface Packed {
  readonly config: Buffer
  readonly manifest: Buffer
  readonly descriptor: Descriptor
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The digest that names the image's manifest; containerd's image list shows the same one. */
export const digestOfImage = (image: Image): string => pack(image).descriptor.digest

/** An OCI archive as a stream; layers in `present` are left out, because the receiving store has them already. */
export function archiveOf(images: readonly Image[], present: ReadonlySet<string> = new Set()): Readable {
  return Readable.from(entriesOf(images, present))
}

async function* entriesOf(images: readonly Image[], present: ReadonlySet<string>): AsyncGenerator<Buffer> {
  const packed = images.map((image) => ({ image, ...pack(image) }))
  yield* entry('oci-layout', Buffer.from(JSON.stringify({ imageLayoutVersion: '1.0.0' })))
  const written = new Set(present)
  for (const { image, config, manifest } of packed) {
    for (const layer of image.layers) {
      if (written.has(layer.digest)) continue
      written.add(layer.digest)
      yield header(blobPath(layer.digest), layer.size)
      for await (const chunk of createReadStream(layer.path, { highWaterMark: 1 << 20 })) yield chunk
      yield padding(layer.size)
    }
    yield* entry(blobPath(digestOf(config)), config)
    yield* entry(blobPath(digestOf(manifest)), manifest)
  }
  const manifests = packed.flatMap(({ image, descriptor }) =>
    image.names.map((name) => ({ ...descriptor, annotations: { 'io.containerd.image.name': name } })),
  )
  yield* entry('index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })))
  yield Buffer.alloc(1024)
}

function pack(image: Image): Packed {
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {
        Env: [`PATH=${image.path ?? defaultPath}`],
        ...(image.entrypoint === undefined ? {} : { Entrypoint: image.entrypoint }),
        ...(image.user === undefined ? {} : { User: image.user }),
        ...(image.workingDirectory === undefined ? {} : { WorkingDir: image.workingDirectory }),
      },
      rootfs: { type: 'layers', diff_ids: image.layers.map((layer) => layer.digest) },
      history: image.layers.map((layer) => ({ created_by: `lab ${layer.name}` })),
    }),
  )
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: image.layers.map(({ digest, size }) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest,
        size,
      })),
    }),
  )
  return { config, manifest, descriptor: describe('application/vnd.oci.image.manifest.v1+json', manifest) }
}

const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`
const describe = (mediaType: string, content: Buffer): Descriptor => ({
  mediaType,
  digest: digestOf(content),
  size: content.length,
})
const blobPath = (digest: string) => `blobs/${digest.replace(':', '/')}`

function* entry(name: string, content: Buffer): Generator<Buffer> {
  yield header(name, content.length)
  yield content
  yield padding(content.length)
}

const padding = (size: number) => Buffer.alloc((512 - (size % 512)) % 512)

/** A ustar header: the 512 bytes before each file of a tar archive (POSIX.1-1988). */
function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(512)
  block.write(name, 0, 100)
  block.write('0000644\0', 100)
  block.write('0000000\0', 108)
  block.write('0000000\0', 116)
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  block.write('00000000000\0', 136)
  block.write('        0', 148)
  block.write('ustar\x0000', 257)
  const checksum = block.reduce((sum, byte) => sum + byte, 0)
  block.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
