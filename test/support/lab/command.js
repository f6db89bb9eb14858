import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'

const lab = new URL('../../../lab/cli.ts', import.meta.url).pathname

/** Runs a command of the lab, showing its progress. */
export function runLab(...command) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [lab, ...command], { stdio: ['ignore', 'ignore', 'inherit'] })
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`the lab did not obey \`${command.join(' ')}\` (exit code ${code})`)),
    )
  })
}

/** `kubernetes` or `machines`; null where no lab is up. */
export function labThatIsUp() {
  if (existsSync('/run/standby-lab/machines.json')) return 'machines'
  return existsSync('/run/standby-lab/environment.json') ? 'kubernetes' : null
}

const COMMANDS = { kubernetes: ['up'], machines: ['up', '--stack', 'infisical-on-premise'] }

/** Brings up the lab of that kind, or looks through one that is up; one lab fits on a machine, so another one ends. */
export async function bringLabUp(kind) {
  const present = labThatIsUp()
  if (present !== null && present !== kind) await runLab('down')
  await runLab(...COMMANDS[kind])
}
