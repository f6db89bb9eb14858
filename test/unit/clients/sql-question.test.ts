import { execFile } from 'node:child_process'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { askOverSql, type SqlServer } from '../../../src/clients/sql-question.ts'
import { selfSigned } from '../../support/certificate.ts'
import { type Postgres, startPostgres } from '../../support/postgres.ts'

const pair = selfSigned()
let postgres: Postgres
let server: SqlServer
beforeAll(async () => {
  postgres = await startPostgres({}, [], { tls: pair })
  server = {
    host: '127.0.0.1',
    port: postgres.port,
    database: 'app',
    user: 'app',
    password: 'unused',
    tls: { authority: pair.cert },
  }
  await postgres.sql('CREATE TABLE t (id int, name text); INSERT INTO t VALUES (1, NULL), (2, $$ü$$)')
})
afterAll(() => postgres.stop())
const ask = (statements: readonly string[], more: object = {}) =>
  askOverSql({ server, statements, deadline: 5_000, ...more })

describe('a question in SQL', () => {
  test('brings the rows of all statements as the server writes them, and NULL as an empty text', async () => {
    await expect(ask(['SELECT id, name, true FROM t ORDER BY id', "SELECT 'x'; SELECT 1.50"])).resolves.toEqual({
      is: 'rows',
      rows: [['1', '', 't'], ['2', 'ü', 't'], ['x'], ['1.50']],
    })
  })

  test('changes nothing, unless it says that it writes', async () => {
    await expect(ask(['DELETE FROM t'])).resolves.toMatchObject({ is: 'refused', state: '25006' })
    await expect(ask(['INSERT INTO t VALUES (3)'], { writes: true })).resolves.toMatchObject({ is: 'rows' })
    await expect(ask(['SELECT count(*) FROM t'])).resolves.toMatchObject({ rows: [['3']] })
  })

  test('has the error of the server as its answer, with its SQLSTATE', async () => {
    await expect(ask(['SELECT * FROM missing'])).resolves.toMatchObject({ is: 'refused', state: '42P01' })
    await expect(ask(['SELECT 1'], { server: { ...server, database: 'missing' } })).resolves.toMatchObject({
      is: 'refused',
      state: '3D000',
    })
  })

  test('trusts the given authority alone; a server that is not trusted is silence that no other try ends', async () => {
    await expect(ask(['SELECT 1'], { server: { ...server, tls: {} } })).rejects.toMatchObject({
      code: 'sql-silent',
      retry: 'never',
    })
    await expect(ask(['SELECT 1'], { server: { ...server, host: 'localhost' } })).rejects.toMatchObject({
      code: 'sql-silent',
      retry: 'never',
    })
  })

  test('goes over TLS where it is declared, and the server sees that', async () => {
    const encrypted = ['SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()']
    await expect(ask(encrypted)).resolves.toMatchObject({ rows: [['t']] })
    await expect(ask(encrypted, { server: { ...server, tls: null } })).resolves.toMatchObject({ rows: [['f']] })
  })

  test('ends at its deadline, on the server too', async () => {
    await expect(ask(['SELECT pg_sleep(60)'], { deadline: 400 })).rejects.toMatchObject({ code: 'sql-silent' })
    await new Promise((resolve) => setTimeout(resolve, 500))
    await expect(ask(["SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"])).resolves.toEqual({
      is: 'rows',
      rows: [['0']],
    })
  })

  test('begins read-only and with its deadline as settings of its own session', async () => {
    const settings = [
      "SELECT name, setting, source FROM pg_settings WHERE name IN ('default_transaction_read_only', 'statement_timeout') ORDER BY name",
    ]
    expect(await ask(settings)).toMatchObject({
      rows: [
        ['default_transaction_read_only', 'on', 'client'],
        ['statement_timeout', '5000', 'client'],
      ],
    })
    expect(await ask(settings, { writes: true })).toMatchObject({
      rows: [
        ['default_transaction_read_only', 'off', 'default'],
        ['statement_timeout', '5000', 'client'],
      ],
    })
  })

  test('is not asked through a pooler, whose process is another one than that which answers', async () => {
    const pooler = await startPooler(postgres.port)
    const through = { ...server, port: pooler.port, tls: null }
    await expect(ask(['INSERT INTO t VALUES (4)'], { server: through, writes: true })).rejects.toMatchObject({
      code: 'sql-through-pooler',
      retry: 'never',
    })
    await expect(ask(['SELECT count(*) FROM t WHERE id = 4'])).resolves.toMatchObject({ rows: [['0']] })
    await pooler.stop()
  })

  test('ends with its signal', async () => {
    const cancelling = new AbortController()
    const asking = ask(['SELECT pg_sleep(60)'], { signal: cancelling.signal })
    cancelling.abort(new Error('cancelled here'))
    await expect(asking).rejects.toThrow('cancelled here')
  })

  test('that is cancelled while the library loads, as the first one of a process, is never sent', async () => {
    let connections = 0
    const listening = createServer((socket) => {
      connections++
      socket.on('error', () => undefined).destroy()
    })
    const port = await new Promise<number>((resolve) =>
      listening.listen(0, '127.0.0.1', () => resolve((listening.address() as { port: number }).port)),
    )
    const first = `import { askOverSql } from ${JSON.stringify(new URL('../../../src/clients/sql-question.ts', import.meta.url).href)}
      const cancelling = new AbortController()
      const server = { host: '127.0.0.1', port: ${port}, database: 'app', user: 'app', password: 'unused', tls: null }
      const question = { server, statements: ['SELECT 1'], writes: true, deadline: 5000, signal: cancelling.signal }
      const asking = askOverSql(question)
      cancelling.abort(new Error('cancelled here'))
      await asking.catch((error) => console.log(error.message))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', first])
    listening.close()
    expect(stdout.trim()).toBe('cancelled here')
    expect(connections).toBe(0)
  })

  test('is silent where nothing listens', async () => {
    await expect(ask(['SELECT 1'], { server: { ...server, port: 1 } })).rejects.toMatchObject({
      code: 'sql-silent',
      retry: 'transient',
    })
  })

  test('never sends a password readable without TLS, whatever the server asks for', async () => {
    const heard: Buffer[] = []
    const sockets: Socket[] = []
    const pretender = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => heard.push(chunk))
      // AuthenticationCleartextPassword, as soon as the client has introduced itself.
      socket.once('data', () => socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])))
    })
    const port = await new Promise<number>((resolve) =>
      pretender.listen(0, '127.0.0.1', () => resolve((pretender.address() as { port: number }).port)),
    )
    const asked = ask(['SELECT 1'], { server: { ...server, port, password: 'do-not-say-this', tls: null } })
    await expect(asked).rejects.toMatchObject({ code: 'sql-silent' })
    expect(Buffer.concat(heard).toString()).not.toContain('do-not-say-this')
    for (const socket of sockets) socket.destroy()
    pretender.close()
  })
})

/** In the way to a server, as a pooler is: it says a process of its own at the login (BackendKeyData). */
async function startPooler(to: number): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const pooler = createServer((client) => {
    const upstream = connect(to, '127.0.0.1')
    client.pipe(upstream)
    upstream.on('data', (data) => {
      const key = data.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]))
      if (key !== -1) data.writeInt32BE(12_345_678, key + 5)
      client.write(data)
    })
    for (const socket of [client, upstream]) socket.on('error', () => undefined)
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((done) => pooler.listen(0, '127.0.0.1', done))
  return {
    port: (pooler.address() as AddressInfo).port,
    stop: () => new Promise((done) => pooler.close(() => done())),
  }
}
