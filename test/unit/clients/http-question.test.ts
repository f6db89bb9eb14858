import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import { askOverHttp } from '../../../src/clients/http-question.ts'
import { selfSigned } from '../../support/certificate.ts'

const pair = selfSigned()
const ending: (() => void)[] = []
afterEach(() => {
  for (const end of ending.splice(0)) end()
})

async function listening(server: Server, scheme: 'http' | 'https'): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ending.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const plain = (answer: RequestListener): Promise<string> => listening(createServer(answer), 'http')
const overTls = (answer: RequestListener): Promise<string> => listening(createTlsServer(pair, answer), 'https')
const echo: RequestListener = async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  response.setHeader('x-method', request.method ?? '')
  response.setHeader('set-cookie', ['a=1', 'b=2'])
  response.statusCode = 503
  response.end(`${request.headers.authorization} ${Buffer.concat(chunks).toString()}`)
}

describe('a question over HTTP', () => {
  test('brings status, headers and body of the answer, whatever the status is', async () => {
    const url = await plain(echo)
    const headers = { authorization: 'Bearer t' }
    await expect(askOverHttp({ method: 'PUT', url, headers, body: 'grüße', deadline: 5_000 })).resolves.toMatchObject({
      status: 503,
      headers: { 'x-method': 'PUT', 'set-cookie': 'a=1, b=2' },
      body: 'Bearer t grüße',
    })
  })

  test('trusts the given authority alone; an answer that is not trusted is silence that no other try ends', async () => {
    const url = await overTls(echo)
    await expect(askOverHttp({ method: 'GET', url, authority: pair.cert, deadline: 5_000 })).resolves.toMatchObject({
      status: 503,
    })
    await expect(askOverHttp({ method: 'GET', url, deadline: 5_000 })).rejects.toMatchObject({
      code: 'http-silent',
      retry: 'never',
    })
  })

  test('says when the certificate of a server ends, and nothing of one without TLS', async () => {
    const { certificateUntil = '' } = await askOverHttp({
      method: 'GET',
      url: await overTls(echo),
      authority: pair.cert,
      deadline: 5_000,
    })
    const hours = (Date.parse(certificateUntil) - Date.now()) / 3_600_000
    expect(hours).toBeGreaterThan(47)
    expect(hours).toBeLessThan(49)
    const without = await askOverHttp({ method: 'GET', url: await plain(echo), deadline: 5_000 })
    expect('certificateUntil' in without).toBe(false)
  })

  test('follows no redirect', async () => {
    const asked: (string | undefined)[] = []
    const url = await plain((request, response) => {
      asked.push(request.url)
      response.writeHead(307, { location: '/thief' }).end()
    })
    const answer = await askOverHttp({ method: 'GET', url: `${url}/a`, deadline: 5_000 })
    expect([answer.status, answer.headers.location, asked]).toEqual([307, '/thief', ['/a']])
  })

  test('ends at its deadline with http-silent, which another try may mend', async () => {
    const url = await plain(() => undefined)
    await expect(askOverHttp({ method: 'GET', url, deadline: 200 })).rejects.toMatchObject({
      code: 'http-silent',
      retry: 'transient',
      message: `no answer from ${url} within 200 ms`,
    })
  })

  test.each([
    ['refused', async () => 'http://127.0.0.1:1'],
    ['cut before the answer', () => plain((request) => request.socket.destroy())],
    [
      'cut amid the answer',
      () =>
        plain((request, response) => {
          response.writeHead(200, { 'content-length': '100' })
          response.write('half')
          setTimeout(() => request.socket.destroy(), 20)
        }),
    ],
    [
      'without an end',
      () =>
        plain((_, response) => {
          const more = (): void => void (response.write('x'.repeat(10_000), more) || undefined)
          more()
        }),
    ],
  ])('that is %s is http-silent, which another try may mend', async (_, server) => {
    const url = await server()
    await expect(askOverHttp({ method: 'GET', url, deadline: 5_000 })).rejects.toMatchObject({
      code: 'http-silent',
      retry: 'transient',
    })
  })

  test('ends with the reason of the signal that cancels it', async () => {
    const url = await plain(() => undefined)
    const cancelling = new AbortController()
    const answer = askOverHttp({ method: 'GET', url, deadline: 5_000 }, [cancelling.signal])
    cancelling.abort(new Error('cancelled by a person'))
    await expect(answer).rejects.toThrow('cancelled by a person')
  })

  test('goes through the proxy of the environment, and past it where NO_PROXY names the address', async () => {
    const through: (string | undefined)[] = []
    const proxy = await plain((request, response) => {
      through.push(request.url)
      response.end('from the proxy')
    })
    const url = await plain((_, response) => void response.end('from the server'))
    const before = { ...process.env }
    ending.push(() => {
      for (const name of ['HTTP_PROXY', 'NO_PROXY']) {
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
      }
    })
    process.env.HTTP_PROXY = proxy
    process.env.NO_PROXY = ''
    await expect(askOverHttp({ method: 'GET', url: `${url}/a`, deadline: 5_000 })).resolves.toMatchObject({
      body: 'from the proxy',
    })
    process.env.NO_PROXY = '127.0.0.0/8'
    await expect(askOverHttp({ method: 'GET', url: `${url}/a`, deadline: 5_000 })).resolves.toMatchObject({
      body: 'from the server',
    })
    expect(through).toEqual([`${url}/a`])
  })
})
