import { readFile } from 'node:fs/promises'
import { version } from 'node:os'
import { runProcess } from '../../clients/process.ts'
import type { Site } from '../../domain/stack.ts'
import { siteError } from '../../errors/standby-error.ts'
import { seconds } from '../../values/duration.ts'
import { declaredMachineOf, type HostsClient, onlyOn, wrongHostIn } from './client.ts'

/**
 * The client of one machine, for a program that runs on it with the rights of root: `sh` in place of ssh, and the same
 * comparison of the machine-id before each command. Any other machine is `out-of-reach-of-guard`.
 */
export function openLocalHost(site: Site, name: string): HostsClient {
  const machine = declaredMachineOf(site, name)
  const { machineId } = machine
  const refuse = (other: string) =>
    siteError('out-of-reach-of-guard', `the guard of ${name} has no access to ${other}`, {
      where: `guard ${site.name}`,
    })
  return {
    site: site.name,
    machines: { [name]: machine },
    async run(asked, command, { stdin, deadline = seconds(10), signal } = {}) {
      if (asked !== name) throw refuse(asked)
      const line = machineId === undefined ? command : onlyOn(machineId, command)
      const result = await runProcess('sh', ['-c', line], {
        deadline,
        ...(stdin === undefined ? {} : { input: stdin }),
        ...(signal === undefined ? {} : { signal }),
      })
      const another = machineId === undefined ? null : wrongHostIn(result, site.name, name, machineId)
      if (another !== null) throw another
      return result
    },
    async identify(asked) {
      if (asked !== name) throw refuse(asked)
      const found = await readFile('/etc/machine-id', 'utf8').catch(() => '')
      return { machineId: found.trim() === '' ? null : found.trim(), system: version() }
    },
    way: { roundTrip: 0 },
  }
}
