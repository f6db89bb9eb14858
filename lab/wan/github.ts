import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ensureDaemon, entryTo } from '../inside.ts'
import { addressOf, githubPort } from '../topology.ts'

const program = join(import.meta.dirname, '..', 'github', 'server.ts')

/** Starts the fake of GitHub's API and returns its address; undefined when the checkout has none. */
export async function startGithub(): Promise<string | undefined> {
  if (!existsSync(program)) return undefined
  const listen = `${addressOf.github}:${githubPort}`
  await ensureDaemon({
    group: 'github',
    name: 'github-api',
    command: [...entryTo('github'), process.execPath, program, '--listen', listen],
  })
  return `http://${listen}`
}
