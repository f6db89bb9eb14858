import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { asStandbyError } from '../errors/standby-error.ts'
import { gateService } from './names.ts'

/** What the gates need of the service manager of this machine. */
export interface GateServices {
  /** Reads all units anew. */
  reload(): Promise<void>
  /** The units that a service requires; null: there is no such service. */
  requiredBy(service: string): Promise<readonly string[] | null>
}

/** Where an administrator keeps units and what is added to them. */
const UNITS = '/etc/systemd/system'

/**
 * Makes each service require its gate, and removes the gates of services that are no longer guarded. Returns the
 * services that would start without the leave of the guard, with the reason. Never throws.
 *
 * Only a service has a gate. A socket, a timer or a path writes nothing: it starts a service, which passes its own. And
 * a boot starts them before it starts any service: with a gate before one, systemd finds a cycle, and leaves out a job
 * of its choice (systemd.special(7), basic.target).
 */
export async function keepGates(
  stack: string,
  guarded: readonly string[],
  manager: GateServices,
  units = UNITS,
): Promise<{ readonly what: string; readonly why: string }[]> {
  const services = guarded.filter((unit) => unit.endsWith('.service'))
  const name = gateFile(stack)
  const missing = new Map<string, string>()
  let changed = false
  for (const service of services)
    try {
      changed = written(join(units, `${service}.d`, name), dropIn(stack, service)) || changed
    } catch (error) {
      missing.set(service, asStandbyError(error).message)
    }
  try {
    for (const path of staleGates(units, name, services)) {
      rmSync(path)
      changed = true
    }
    if (changed) await manager.reload()
    for (const service of services) {
      const required = await manager.requiredBy(service)
      if (required !== null && !required.includes(gateOf(stack, service)) && !missing.has(service))
        missing.set(service, `it does not require ${gateOf(stack, service)}`)
    }
  } catch (error) {
    for (const service of services) if (!missing.has(service)) missing.set(service, asStandbyError(error).message)
  }
  return [...missing].map(([what, why]) => ({ what, why }))
}

const gateFile = (stack: string): string => `standby-gate-${stack}.conf`
const gateOf = (stack: string, service: string): string => gateService(stack, service.replace(/\.service$/, ''))

/** `Requires` with `After`: the service does not start where its gate does not let it. */
const dropIn = (stack: string, service: string): string => `# Written by Standby's guard.
[Unit]
Requires=${gateOf(stack, service)}
After=${gateOf(stack, service)}
`

/** Whether the file had to be changed. */
function written(path: string, content: string): boolean {
  if (textOf(path) === content) return false
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return true
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

const staleGates = (units: string, name: string, services: readonly string[]): string[] =>
  readdirSync(units)
    .filter((folder) => folder.endsWith('.service.d') && !services.includes(folder.slice(0, -'.d'.length)))
    .map((folder) => join(units, folder, name))
    .filter((path) => textOf(path) !== null)
