import { sshAddress } from '../../clients/round-trip.ts'
import { siteWithValue } from '../../systems/traffic/declaration.ts'
import { hostRunner, instancesOf } from '../../systems/traffic/hosts.ts'
import type { LoadBalancers } from '../../systems/traffic/load-balancers.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { type InstanceReading, readInstance, setValue } from './instance.ts'
import { closedValue, type NginxSpec, upstreamOf } from './spec.ts'

/** A reload and the end of its old workers take up to three seconds. */
const COMMAND: Milliseconds = seconds(8)

/** Instances of NGINX: the value of one variable decides, in each of them, which site's upstream serves. */
export const loadBalancers: LoadBalancers<NginxSpec, InstanceReading> = {
  codes,
  instances: ({ spec }) => instancesOf(spec),
  valueOf: upstreamOf,
  siteOf: ({ spec }, value) => siteWithValue(spec.upstreams, value),
  closedValue,
  verification: ({ spec }) => spec.verify ?? null,
  address: ({ spec }, name) => sshAddress(name, spec.ssh.port),
  async reach({ spec }, name, context, { reach, deadline = COMMAND }) {
    const run = await hostRunner(spec.ssh, name, context, { reach, deadline })
    return {
      read: (signal) => readInstance(run, name, spec, signal),
      set: (to, signal) => setValue(run, name, spec, to, signal),
    }
  },
  // A worker of an earlier configuration leads its open connections where that one led them: to the site that was cut,
  // or to closed doors.
  sessions: ({ oldWorkers }) => oldWorkers,
  nameOfSetting: 'variable',
  nameOfValue: ({ spec }) => spec.variable,
  objectOf: ({ spec }, name) => `${name}:${spec.file}`,
  unset: ({ spec }, name) => ({
    what: `${name} gives ${spec.variable} no value, or its workers answer differently at ${spec.status}`,
    next: 'Run a deploy; nginx.conf must include the file and answer the variable.',
  }),
}
