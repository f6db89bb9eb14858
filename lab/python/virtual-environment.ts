import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execute } from '../execute.ts'
import { keyOf } from '../images/layer.ts'
import { withProcessLock } from '../process-lock.ts'
import { installPackages } from '../requirements.ts'
import { cached } from '../topology.ts'

/** Debian's Python has no `ensurepip` without it. */
const VENV = { file: '/usr/lib/python3.11/ensurepip/__init__.py', package: 'python3-venv' } as const

/**
 * A virtual environment in the cache, with the packages that a file lists with versions and hashes; made once for each
 * content of that file. Returns its folder. Another process that makes it is waited for.
 */
export async function ensureVirtualEnvironment(
  name: string,
  requirements: string,
  signal: AbortSignal,
): Promise<string> {
  const home = cached(name, keyOf(await readFile(requirements, 'utf8')))
  const done = join(home, 'done')
  const wait = () => sleep(1_000, undefined, { signal })
  await withProcessLock(cached(`${name}.lock`), wait, async () => {
    if (existsSync(done)) return
    if (!existsSync(VENV.file)) await installPackages([VENV.package], () => undefined, signal)
    await rm(home, { recursive: true, force: true })
    await execute('/usr/bin/python3', ['-m', 'venv', home], { signal })
    const install = ['install', '--quiet', '--no-deps', '--only-binary', ':all:', '--require-hashes']
    await execute(join(home, 'bin', 'pip'), [...install, '--requirement', requirements], {
      deadline: 300_000,
      env: { PIP_FIND_LINKS: '' },
      signal,
    })
    await writeFile(done, '')
  })
  return home
}
