import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cached } from '../../lab/topology.ts'

const run = promisify(execFile)

/** The same that the machines of the lab have, with the digests of all packages. */
const role = join(import.meta.dirname, '..', '..', 'stacks', 'infisical-on-premise', 'ansible', 'roles', 'patroni')
const requirements = join(role, 'files', 'requirements.txt')
const key = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16)
const home = cached(`patroni-${key}`)

/**
 * Python with Patroni from PyPI, in a virtual environment of its own in the lab's cache; made when there is none (30 s,
 * and python3-venv of Debian). Returns the command that runs Patroni.
 */
export async function ensurePatroni(): Promise<readonly [program: string, ...args: string[]]> {
  const command = [join(home, 'bin', 'python3'), '-m', 'patroni'] as const
  if (existsSync(home)) return command
  const unfinished = `${home}.${process.pid}`
  await mkdir(dirname(home), { recursive: true })
  const packages = ['--no-deps', '--require-hashes', '--no-build-isolation', '--requirement', requirements]
  try {
    await run('/usr/bin/python3', ['-m', 'venv', unfinished], { timeout: 120_000 })
    // `python3 -m pip`: what pip installs is found by the interpreter, wherever the folder is moved to.
    await run(join(unfinished, 'bin', 'python3'), ['-m', 'pip', 'install', '--quiet', ...packages], {
      timeout: 300_000,
    })
    // Another process may have been faster.
    await rename(unfinished, home).catch(() => undefined)
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return command
}
