import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { needs } from './needs.ts'
import { freePorts, startServer } from './server-process.ts'

needs('redis-server', 'redis-cli')

const run = promisify(execFile)

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** `redis-cli` with these arguments. */
  command(...args: string[]): Promise<string>
  stop(): Promise<void>
}

/** A real Redis in a directory of its own; nothing is left after `stop`. */
export async function startRedis(...settings: string[]): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'standby-redis-'))
  const port = Number((await freePorts(1))[0])
  const command = async (...args: string[]): Promise<string> =>
    (await run('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...args], { timeout: 10_000 })).stdout.trim()
  const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '']
  const server = await startServer('redis-server', [...own, ...settings], {
    answers: async () => (await command('PING')) === 'PONG',
  })
  const stop = async (): Promise<void> => {
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
  return { url: `redis://127.0.0.1:${port}`, port, pid: server.pid, command, stop }
}
