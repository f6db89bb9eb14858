import { siteError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import type { HostsClient } from './client.ts'

/** The services of one machine, by its systemd. Needs the rights of root. */
export interface MachineServices {
  /** Stops a service, and keeps it from starting at a boot. Returns before it has stopped. */
  close(service: string, signal?: AbortSignal): Promise<void>
  /** Ends all processes of a service at once. */
  kill(service: string, signal?: AbortSignal): Promise<void>
  /** Reads all units anew. */
  reload(): Promise<void>
  /** The units that a service requires; null: there is no such service. */
  requiredBy(service: string): Promise<readonly string[] | null>
}

const CALL: Milliseconds = seconds(10)

/** Each throws `service-refused` (transient) with the words of systemctl. */
export function servicesOn(hosts: HostsClient, machine: string): MachineServices {
  const run = async (command: string, signal?: AbortSignal): Promise<string> => {
    const { code, stdout, stderr } = await hosts.run(machine, command, {
      asRoot: true,
      deadline: CALL,
      ...(signal === undefined ? {} : { signal }),
    })
    if (code === 0) return stdout
    const said = stderr.trim().split('\n').slice(-2).join(' ') || `exit code ${code}`
    throw siteError('service-refused', `${command}: ${said}`, { retry: 'transient', where: `${hosts.site} ${machine}` })
  }
  return {
    async close(service, signal) {
      // A generated or transient unit cannot be disabled, and no boot starts it.
      await run(`systemctl disable --quiet ${service} 2>/dev/null || :; systemctl stop --no-block ${service}`, signal)
    },
    async kill(service, signal) {
      await run(`systemctl kill --signal=KILL ${service}`, signal)
    },
    async reload() {
      await run('systemctl daemon-reload')
    },
    async requiredBy(service) {
      const [loaded, required = ''] = (await run(`systemctl show --property=LoadState,Requires ${service}`))
        .split('\n')
        .filter((line) => line !== '')
        .sort()
      return loaded === 'LoadState=loaded' ? required.replace(/^Requires=/, '').split(' ') : null
    },
  }
}
