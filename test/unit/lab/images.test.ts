import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { execute } from '../../../lab/execute.ts'
import { archiveOf, digestOfImage, type Image } from '../../../lab/images/image.ts'
import { digestOfFile, keyOf, type Layer } from '../../../lab/images/layer.ts'

let directory: string
let layer: Layer
let image: Image

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'standby-lab-images-'))
  const path = join(directory, 'layer.tar')
  await writeFile(path, Buffer.alloc(1300, 'x'))
  layer = { name: 'one', path, digest: await digestOfFile(path), size: 1300 }
  image = { names: ['docker.io/lab/a:1', 'docker.io/lab/b:2'], layers: [layer], entrypoint: ['/a'], user: '26' }
})

afterAll(() => rm(directory, { recursive: true }))

describe('keys', () => {
  test('where one ingredient ends and the next begins matters', () => {
    expect(keyOf('ab', 'c')).not.toBe(keyOf('a', 'bc'))
  })

  test('equal ingredients give an equal key, other ingredients another one', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), (one, other) => {
        expect(keyOf(...one) === keyOf(...other)).toBe(JSON.stringify(one) === JSON.stringify(other))
      }),
    )
  })
})

describe('image archives', () => {
  test('tar reads every entry, and each blob is what its name says', async () => {
    const tree = join(directory, 'full')
    await execute('mkdir', [tree])
    await execute('tar', ['-C', tree, '-xf', '-'], { input: archiveOf([image]) })
    const index = JSON.parse(await readFile(join(tree, 'index.json'), 'utf8'))
    const names = index.manifests.map(
      (entry: { annotations: Record<string, string> }) => entry.annotations['io.containerd.image.name'],
    )
    expect(names).toEqual(image.names)
    for (const digest of [layer.digest, digestOfImage(image)])
      expect(await digestOfFile(join(tree, 'blobs', digest.replace(':', '/')))).toBe(digest)
    const manifest = JSON.parse(await readFile(join(tree, 'blobs', digestOfImage(image).replace(':', '/')), 'utf8'))
    const config = JSON.parse(await readFile(join(tree, 'blobs', manifest.config.digest.replace(':', '/')), 'utf8'))
    expect(config.config).toMatchObject({ Entrypoint: ['/a'], User: '26' })
    expect(config.rootfs.diff_ids).toEqual([layer.digest])
  })

  test('a layer that the other side has is not sent again', async () => {
    const listing = await execute('tar', ['-tf', '-'], { input: archiveOf([image], new Set([layer.digest])) })
    expect(listing).not.toContain(layer.digest.slice(7))
    expect(listing).toContain(digestOfImage(image).slice(7))
  })
})
