import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'

const lab = new URL('../../lab/cli.ts', import.meta.url).pathname

/** Runs a command of the lab, showing its progress. */
function run(command) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [lab, command], { stdio: ['ignore', 'ignore', 'inherit'] })
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`the lab did not obey \`${command}\` (exit code ${code})`))))
  })
}

/** The tests of the lab need it up; one that was not up before goes down again afterwards. */
// biome-ignore lint/style/noDefaultExport: Jest takes a global setup from the default export
export default async function labUp() {
  const wasUp = existsSync('/run/standby-lab/environment.json')
  await run('up')
  globalThis.labDown = wasUp ? async () => undefined : () => run('down')
}
