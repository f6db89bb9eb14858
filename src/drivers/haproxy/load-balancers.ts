import { sshAddress } from '../../clients/round-trip.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Reach } from '../../driver/reach.ts'
import { siteWithValue } from '../../systems/traffic/declaration.ts'
import { type HostRunner, hostRunner, instancesOf } from '../../systems/traffic/hosts.ts'
import type { LoadBalancers } from '../../systems/traffic/load-balancers.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { type InstanceReading, readInstance, setValue } from './instance.ts'
import { backendOf, closedValue, type HaproxySpec, type Traffic } from './spec.ts'

const COMMAND: Milliseconds = seconds(5)

/** A runner for one host, over the operation's shared connection. */
export const runnerFor = (
  { spec }: Traffic,
  host: string,
  context: Pick<DriverContext, 'ssh' | 'credential'>,
  { reach, deadline = COMMAND }: { readonly reach: Reach; readonly deadline?: Milliseconds },
): Promise<HostRunner> => hostRunner(spec.ssh, host, context, { reach, deadline })

/** Instances of HAProxy: one key of a map decides, in each of them, which site's backend serves. */
export const loadBalancers: LoadBalancers<HaproxySpec, InstanceReading> = {
  codes,
  instances: ({ spec }) => instancesOf(spec),
  valueOf: backendOf,
  siteOf: ({ spec }, value) => siteWithValue(spec.backends, value),
  closedValue,
  verification: ({ spec }) => spec.verify ?? null,
  address: ({ spec }, name) => sshAddress(name, spec.ssh.port),
  async reach(component, name, context, how) {
    const run = await runnerFor(component, name, context, how)
    return {
      read: (signal) => readInstance(run, name, component.spec, signal),
      set: (to, signal) => setValue(run, name, component.spec, to, signal),
    }
  },
  // A value that is set at run time applies to every new request at once: no earlier value remains in use.
  sessions: ({ backends }, value) => (value === null ? 0 : (backends[value]?.sessions ?? 0)),
  nameOfSetting: 'key',
  nameOfValue: ({ spec }) => spec.key,
  objectOf: ({ spec }, name) => `${name}:${spec.map}`,
  unset: ({ spec }, name) => ({
    what: `${name} has no key ${spec.key} in ${spec.map} at run time`,
    next: 'Run a deploy; haproxy.cfg must use the map.',
  }),
}
