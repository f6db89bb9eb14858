import { fromOutside, onEachHost } from '../../systems/traffic/hosts.ts'
import type { TrafficByHand } from '../../systems/traffic/move-traffic.ts'
import type { NginxSpec, NginxTraffic } from './spec.ts'

/** Each step by ssh on every load balancer. */
export const byHand: TrafficByHand<NginxSpec> = {
  close: {
    say: (component, { parameters: { value } }) => ({
      commands: each(component, setting(component.spec, value)),
      expect: `Every load balancer answers ${value} at ${component.spec.status}, and has no worker that is shutting down.`,
      never:
        'Go on while one of them still lets users in: what they write is lost. To take it back: the same lines with the value from before.',
    }),
  },
  open: {
    say: (component, { parameters: { value, site } }) => ({
      commands: [...each(component, setting(component.spec, value)), ...fromOutside(component.spec)],
      expect: `Every load balancer answers ${value} at ${component.spec.status}, and serves ${site}.`,
    }),
  },
  hold: {
    say: (component, { parameters: { value, site, sets } }) => ({
      commands: [
        ...(sets === undefined ? [] : each(component, setting(component.spec, value), sets)),
        ...each(component, [`curl -sS ${component.spec.status}`]),
        ...fromOutside(component.spec),
      ],
      expect: `Every load balancer serves ${site}.`,
    }),
  },
}

const setting = ({ file, variable, command = 'nginx', status }: NginxSpec, value: string): string[] => [
  `sed -i "s/^map \\"\\" .${variable} .*/map \\"\\" \\$${variable} { default ${value}; }/" ${file}`,
  `${command} -t && ${command} -s reload`,
  `curl -sS ${status}; ps -eo pid,args | grep "[s]hutting down"`,
]

const each = ({ spec }: NginxTraffic, lines: readonly string[], only?: readonly string[]): string[] =>
  onEachHost(spec, lines.join('; '), only)
