import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, jest } from '@jest/globals'
import { openObjectStore } from '../../src/clients/object-store.ts'
import type { ObjectStoreClient } from '../../src/clients/object-store-client.ts'
import { SERVE, UPLOAD } from '../../src/drivers/redis/scripts.ts'
import { needs } from './needs.ts'
import { type ObjectStoreServer, startObjectStore } from './object-store.ts'
import { freePorts, type ServerProcess, startServer } from './server-process.ts'

needs('redis-server', 'redis-cli')

export const PASSWORD = 'pa$$ "quoted" \\ back'

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A program as a container runs it, and how it ended. */
export const run = (
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
  stdin = '',
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, timeout: 20_000 })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (data) => {
      stdout += data
    })
    child.stderr.on('data', (data) => {
      stderr += data
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }))
    // A script that ends without reading is no error.
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin)
  })
export const script = (text: string, env: Record<string, string>, stdin = '', ...argv: string[]): Promise<Ended> =>
  run('sh', ['-c', text, 'sh', ...argv], env, stdin)

/** Redis as its pod starts it, on a folder of its own. */
export interface RedisPod {
  readonly data: string
  readonly port: number
  readonly pid: number
  /** What its container tells the scripts. */
  readonly env: Record<string, string>
  cli(...args: string[]): Promise<string>
  stop(): Promise<void>
}

export interface RedisPods {
  readonly id: string
  folder(...parts: string[]): string
  serve(name: string): Promise<RedisPod>
  /** What the container with curl does with a dump. */
  upload(work: string, prefix: string, more?: Record<string, string>): Promise<Ended>
  /** What that container is told. */
  storing(prefix: string): Record<string, string>
  store(): ObjectStoreClient
  /** Nothing is left afterwards. */
  stop(): Promise<void>
}

/**
 * For the tests of a file: one object store for all, and for each test pods of its own, which the returned function
 * gives.
 */
export function podsPerTest({ tls = false }: { readonly tls?: boolean } = {}): () => RedisPods {
  let s3: ObjectStoreServer
  let pods: RedisPods
  // Real servers, on machines that do other things too.
  jest.setTimeout(30_000)
  beforeAll(async () => {
    s3 = await startObjectStore({ tls })
  }, 60_000)
  afterAll(() => s3.stop())
  beforeEach(() => {
    pods = redisPods(s3)
  })
  afterEach(() => pods.stop())
  return () => pods
}

function redisPods(s3: ObjectStoreServer): RedisPods {
  const home = mkdtempSync(join(tmpdir(), 'standby-redis-'))
  const servers = new Set<ServerProcess>()
  const folder = (...parts: string[]): string => {
    const path = join(home, ...parts)
    mkdirSync(path, { recursive: true })
    return path
  }
  const storing = (prefix: string): Record<string, string> => ({
    ACCESS_KEY_ID: 'root',
    SECRET_ACCESS_KEY: 'root-secret',
    REGION: 'us-east-1',
    BUCKET_URL: `${s3.endpoint}/bucket`,
    PREFIX: prefix,
    RETENTION_SECONDS: '604800',
    ...(s3.authoritiesFile === null ? {} : { AUTHORITIES: s3.authoritiesFile }),
  })
  return {
    id: home.split('/').at(-1) ?? '',
    folder,
    storing,
    store: () => openObjectStore(s3.access()),
    async serve(name) {
      const data = folder(name, 'data')
      const [port = 0] = await freePorts(1)
      const env = {
        DATA: data,
        WORK: folder(name, 'work'),
        PORT: String(port),
        SITE: 'dc-a',
        REDIS_HOST: '127.0.0.1',
        REDISCLI_AUTH: PASSWORD,
      }
      const cli = async (...args: string[]): Promise<string> =>
        (await run('redis-cli', ['-p', String(port), ...args], { REDISCLI_AUTH: PASSWORD })).stdout.trim()
      const server = await startServer('sh', ['-c', SERVE], {
        env: { ...env, RUN: folder(name, 'run'), REDIS_PASSWORD: PASSWORD },
        answers: async () => (await cli('PING')) === 'PONG',
      })
      servers.add(server)
      const stop = async (): Promise<void> => {
        servers.delete(server)
        await server.stop()
      }
      return { data, port, pid: server.pid, env, cli, stop }
    },
    upload: (work, prefix, more = {}) =>
      script(UPLOAD, { ...storing(prefix), WORK: work, LAST_WORDS: join(work, 'last-words'), ...more }),
    async stop() {
      await Promise.all([...servers].map((server) => server.stop()))
      rmSync(home, { recursive: true, force: true })
    },
  }
}
