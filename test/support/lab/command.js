import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'

const lab = new URL('../../../lab/cli.ts', import.meta.url).pathname

/** Runs a command of the lab, showing its progress. */
export function runLab(command) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [lab, command], { stdio: ['ignore', 'ignore', 'inherit'] })
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`the lab did not obey \`${command}\` (exit code ${code})`)),
    )
  })
}

export const labIsUp = () => existsSync('/run/standby-lab/environment.json')
