import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { openObjectStore } from '../../../src/clients/object-store.ts'
import { contentOf, textOf, unescapeXml } from '../../../src/clients/s3-xml.ts'
import { anyText } from '../../support/any-text.ts'
import { awakeClock } from '../../support/awake-clock.ts'
import { selfSigned } from '../../support/certificate.ts'
import { type ObjectStoreServer, startObjectStore } from '../../support/object-store.ts'
import { freePorts, freeze } from '../../support/server-process.ts'

describe.each([
  ['in the clear', false],
  ['over TLS, with an authority of its own', true],
])('an object store %s', (_, tls) => {
  let server: ObjectStoreServer
  beforeAll(async () => {
    server = await startObjectStore({ tls })
  }, 60_000)
  afterAll(() => server.stop())

  test('gives back what was stored, with its version and metadata', async () => {
    const store = openObjectStore(server.access('a/'))
    expect(await store.get('text')).toBeNull()
    expect(await store.head('text')).toBeNull()
    const version = await store.put('text', 'größer', { contentType: 'text/plain', metadata: { sha256: 'abc' } })
    expect(await store.get('text')).toEqual({ body: 'größer', version })
    expect(await store.head('text')).toMatchObject({ key: 'text', bytes: 8, version, metadata: { sha256: 'abc' } })
    const [listed] = await store.list('')
    expect(listed).toMatchObject({ key: 'text', bytes: 8, version })
    expect(Math.abs(Date.parse(listed?.modified ?? '') - Date.now())).toBeLessThan(60_000)
    await store.remove('text')
    await store.remove('text')
    expect(await store.get('text')).toBeNull()
  })

  test('lets exactly one of many create a key', async () => {
    const store = openObjectStore(server.access('race/'))
    const tries = await Promise.allSettled(
      Array.from({ length: 12 }, (_, n) => store.put('0001', `writer ${n}`, { condition: { ifAbsent: true } })),
    )
    expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
    for (const one of tries)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'object-store-precondition' })
  })

  test('replaces only the version that was read', async () => {
    const store = openObjectStore(server.access('cas/'))
    const first = await store.put('active.json', '1')
    const second = await store.put('active.json', '2', { condition: { ifVersion: first } })
    expect(second).not.toBe(first)
    await expect(store.put('active.json', '3', { condition: { ifVersion: first } })).rejects.toMatchObject({
      code: 'object-store-precondition',
    })
    expect((await store.get('active.json'))?.body).toBe('2')
    await expect(store.put('never-there', '1', { condition: { ifVersion: first } })).rejects.toMatchObject({
      code: 'object-store-precondition',
    })
  })

  test('lists in order over pages, from a key on, up to a limit, and nothing of its neighbours', async () => {
    const store = openObjectStore(server.access('pages/'))
    await openObjectStore(server.access('pages2/')).put('other', '')
    const keys = Array.from({ length: 1_005 }, (_, n) => `j/${String(n).padStart(6, '0')}`)
    for (let from = 0; from < keys.length; from += 50)
      await Promise.all(keys.slice(from, from + 50).map((key) => store.put(key, 'x')))
    expect((await store.list('j/')).map(({ key }) => key)).toEqual(keys)
    expect((await store.list('j/', { startAfter: 'j/001001' })).map(({ key }) => key)).toEqual([
      'j/001002',
      'j/001003',
      'j/001004',
    ])
    expect((await store.list('j/', { limit: 2 })).map(({ key }) => key)).toEqual(['j/000000', 'j/000001'])
    expect(await store.list('k/')).toEqual([])
  }, 30_000)

  test('takes every printable key', async () => {
    const store = openObjectStore(server.access('odd keys+/'))
    for (const key of ['a b', 'a+b', "it's (1)!*", 'ä/ö~', '100%', 'a&b<c>"d"', '2026-11-21T04:00:00Z']) {
      await store.put(key, key)
      expect((await store.get(key))?.body).toBe(key)
      expect((await store.list('')).map((info) => info.key)).toContain(key)
    }
  })

  test('tells whether it keeps versions', async () => {
    expect(await openObjectStore(server.access()).versioning()).toBe('off')
  })

  test('names bucket, key and action that are denied, and wrong keys as such', async () => {
    const wrong = openObjectStore({ ...server.access('p/'), secretAccessKey: 'wrong' })
    await expect(wrong.get('k')).rejects.toMatchObject({
      code: 'object-store-denied',
      message: expect.stringContaining('s3:GetObject on bucket/p/k is denied (SignatureDoesNotMatch'),
      next: 'Correct the access key and its secret.',
    })
    await expect(openObjectStore({ ...server.access(), ...server.stranger }).list('')).rejects.toMatchObject({
      code: 'object-store-denied',
      message: expect.stringContaining('s3:ListBucket on bucket is denied'),
    })
  })

  test('without its bucket is an error, never an empty answer', async () => {
    const store = openObjectStore({ ...server.access(), bucket: 'nowhere' })
    const code = 'object-store-missing-bucket'
    await expect(store.get('k')).rejects.toMatchObject({ code })
    await expect(store.list('')).rejects.toMatchObject({ code })
    await expect(store.put('k', '')).rejects.toMatchObject({ code })
    await expect(store.put('k', '', { condition: { ifAbsent: true } })).rejects.toMatchObject({ code })
    await expect(store.remove('k')).rejects.toMatchObject({ code })
  })

  test('that refuses connections, or is silent, is known in time', async () => {
    const [port] = await freePorts(1)
    const closed = openObjectStore({ ...server.access(), endpoint: `http://127.0.0.1:${port}` })
    await expect(closed.get('k')).rejects.toMatchObject({
      code: 'object-store-unreachable',
      message: expect.stringContaining('refuses'),
    })
    await freeze(server.pid)
    try {
      const took = awakeClock()
      await expect(openObjectStore(server.access()).get('k', { deadline: 300 })).rejects.toMatchObject({
        code: 'object-store-unreachable',
        message: expect.stringContaining('no answer within 300 ms'),
      })
      expect(took()).toBeLessThan(700)
    } finally {
      process.kill(server.pid, 'SIGCONT')
    }
  })

  test('that asks to slow down is asked again; a write whose end is unknown is not repeated', async () => {
    const statuses = [503, 500, 200]
    const methods: (string | undefined)[] = []
    const busy = createServer((request, response) => {
      methods.push(request.method)
      response.writeHead(statuses[methods.length - 1] ?? 500, { etag: '"1"' }).end()
    })
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
    const store = openObjectStore({
      ...server.access(),
      endpoint: `http://127.0.0.1:${(busy.address() as AddressInfo).port}`,
    })
    await expect(store.put('k', 'x')).rejects.toMatchObject({ code: 'object-store-unreachable' })
    expect(methods).toEqual(['PUT', 'PUT'])
    expect(await store.get('k')).toEqual({ body: '', version: '"1"' })
    busy.close()
  })
})

describe('an object store whose certificate only its own authority vouches for', () => {
  let server: ObjectStoreServer
  beforeAll(async () => {
    server = await startObjectStore({ tls: true })
  }, 60_000)
  afterAll(() => server.stop())

  test('is not believed without that authority, nor with another one, and what to declare is said', async () => {
    const { authorities: _, ...unknown } = server.access()
    for (const access of [unknown, { ...unknown, authorities: selfSigned().cert }])
      await expect(openObjectStore(access).get('k')).rejects.toMatchObject({
        code: 'object-store-unreachable',
        message: expect.stringContaining('its certificate is not trusted'),
        next: expect.stringContaining('endpointCA'),
        retry: 'never',
      })
  })

  test('is trusted for this store alone, and no other server becomes trusted', async () => {
    await openObjectStore(server.access()).put('k', 'x')
    await expect(fetch(server.endpoint)).rejects.toMatchObject({ message: 'fetch failed' })
  })

  test('is asked by many at once, and gives large objects whole', async () => {
    const store = openObjectStore(server.access('many/'))
    const body = 'a line of some length that is repeated\n'.repeat(50_000)
    await Promise.all(Array.from({ length: 12 }, (_, n) => store.put(`${n}`, body)))
    const found = await Promise.all(Array.from({ length: 12 }, (_, n) => store.get(`${n}`)))
    expect(found.map((one) => one?.body === body)).toEqual(Array.from({ length: 12 }, () => true))
  }, 30_000)
})

describe('answers in XML', () => {
  test('are read whatever characters are in them', () => {
    const escapeXml = (text: string): string =>
      text
        .replaceAll('&', '&amp;')
        .replaceAll('<', '&lt;')
        .replaceAll('>', '&gt;')
        .replaceAll('"', '&quot;')
        .replaceAll("'", '&#39;')
    fc.assert(
      fc.property(fc.array(anyText()), (texts) => {
        const xml = `<?xml version="1.0"?><R xmlns="http://x"><IsTruncated>false</IsTruncated>${texts.map((text) => `<C><Key>${escapeXml(text)}</Key></C>`).join('')}</R>`
        expect(contentOf(xml, 'C').map((content) => textOf(content, 'Key'))).toEqual(texts)
      }),
    )
  })

  test('keep what is no entity, and know the difference between empty and missing', () => {
    expect(unescapeXml('&#x2F;&amp;lt;&unknown;')).toBe('/&lt;&unknown;')
    expect(textOf('<R><Status/></R>', 'Status')).toBe('')
    expect(textOf('<R></R>', 'Status')).toBeNull()
  })
})
