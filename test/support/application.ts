import { type ChildProcess, spawn } from 'node:child_process'
import { rename } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { buildApplication } from '../../lab/application/build.ts'
import { freePorts } from './server-process.ts'

export const testKey = '0123456789abcdef0123456789abcdef'

export interface ApplicationOptions {
  readonly databaseUri: string
  readonly redisUrl: string
  readonly env?: Readonly<Record<string, string>>
  /** A free one by default. */
  readonly port?: number
}

export interface Application {
  readonly address: string
  readonly pid: number
  /** From the start of the process to the first 200 of `/api/status`. */
  readonly readyMs: number
  said(): string
  /** SIGTERM; resolves with how it ended. */
  stop(): Promise<Exit>
  kill(): Promise<void>
}

export interface Exit {
  readonly code: number | null
  readonly ms: number
}

let bundle: Promise<string> | null = null

/**
 * The bundle that the image carries, built once per test file; renamed into its place, because other runs may use it
 * now.
 */
function bundled(): Promise<string> {
  bundle ??= (async () => {
    const directory = resolve(import.meta.dirname, '../../node_modules/.cache/standby')
    const [unfinished, path] = [join(directory, `server-${process.pid}.mjs`), join(directory, 'server.mjs')]
    await buildApplication(unfinished)
    await rename(unfinished, path)
    return path
  })()
  return bundle
}

interface Started {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  said(): string
}

async function start({ databaseUri, redisUrl, env = {} }: ApplicationOptions, port: number): Promise<Started> {
  const child = spawn(process.execPath, [await bundled()], {
    env: {
      PATH: process.env.PATH,
      DB_CONNECTION_URI: databaseUri,
      REDIS_URL: redisUrl,
      ENCRYPTION_KEY: testKey,
      AUTH_SECRET: 'authentication-secret',
      SITE_URL: 'http://standby.test',
      HOST: '127.0.0.1',
      PORT: String(port),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let words = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (words += chunk.toString()))
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  return { child, exited, said: () => words }
}

/** Starts the application as a pod would and waits until it is ready. */
export async function startApplication(options: ApplicationOptions): Promise<Application> {
  const port = options.port ?? Number((await freePorts(1))[0])
  await bundled()
  const began = performance.now()
  const { child, exited, said } = await start(options, port)
  const address = `http://127.0.0.1:${port}`
  while (!(await answers(address))) {
    if (child.exitCode !== null || performance.now() - began > 15_000) {
      child.kill('SIGKILL')
      throw new Error(`the application did not become ready: ${said()}`)
    }
    await pause(20)
  }
  const readyMs = performance.now() - began
  return {
    address,
    pid: child.pid ?? 0,
    readyMs,
    said,
    stop: async () => {
      const asked = performance.now()
      child.kill('SIGTERM')
      return { code: await exited, ms: performance.now() - asked }
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Starts the application where it must refuse; resolves with its exit code and last words. */
export async function startRefused(options: ApplicationOptions): Promise<{ code: number | null; said: string }> {
  const { child, exited, said } = await start(options, Number((await freePorts(1))[0]))
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  const code = await exited
  clearTimeout(timer)
  return { code, said: said() }
}

const answers = (address: string): Promise<boolean> =>
  fetch(`${address}/api/status`, { signal: AbortSignal.timeout(1_000) }).then(
    // A body that nobody reads fails by itself, once its time is over.
    (response) =>
      response.arrayBuffer().then(
        () => response.ok,
        () => false,
      ),
    () => false,
  )
