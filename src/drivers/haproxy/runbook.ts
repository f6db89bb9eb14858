import { fromOutside, onEachHost } from '../../systems/traffic/hosts.ts'
import type { TrafficByHand } from '../../systems/traffic/move-traffic.ts'
import type { HaproxySpec, Traffic } from './spec.ts'

/** Each step by ssh on every load balancer. */
export const byHand: TrafficByHand<HaproxySpec> = {
  close: {
    say: (component, { parameters: { value, cut } }) => ({
      commands: [...each(component, setting(component, value)), ...cutSessions(component, cut)],
      expect: `Every load balancer answers ${component.spec.key} ${value}, in its map and in its file, and has no session of ${cut} left.`,
      never:
        'Go on while one of them still lets users in: what they write is lost. To take it back: the same lines with the value from before.',
    }),
  },
  open: {
    say: (component, { parameters: { value, site } }) => ({
      commands: [...each(component, setting(component, value)), ...fromOutside(component.spec)],
      expect: `Every load balancer answers ${component.spec.key} ${value}${component.spec.verify === undefined ? '' : `, and ${component.spec.verify.header}: ${site} comes back through each of them`}.`,
    }),
  },
  hold: {
    say: (component, { parameters: { value, site, sets } }) => ({
      commands: [
        ...(sets === undefined ? [] : each(component, setting(component, value), sets)),
        ...each(component, (ask) => [show(component, ask)]),
        ...fromOutside(component.spec),
      ],
      expect: `Every load balancer serves ${site}.`,
    }),
  },
}

type Ask = (command: string) => string

/** The file first, so that a reload in between cannot take the switch back. */
const setting = (component: Traffic, value: string) => (ask: Ask) => [
  setFile(component, value),
  setRuntime(component, value, ask),
]

/** One ssh per load balancer. */
function each({ spec }: Traffic, lines: (ask: Ask) => readonly string[], only?: readonly string[]): string[] {
  const ask: Ask = (command) => `echo "${command}" | socat -t 5 - UNIX-CONNECT:${spec.socket}`
  return onEachHost(spec, lines(ask).join(' && '), only)
}

const setFile = ({ spec: { map, key } }: Traffic, value: string): string =>
  `sed -i "s/^${key} .*/${key} ${value}/" ${map} && grep "^${key} " ${map}`
const setRuntime = (component: Traffic, value: string, ask: Ask): string =>
  `${ask(`set map ${component.spec.map} ${component.spec.key} ${value}`)} && ${show(component, ask)}`
const show = ({ spec: { map } }: Traffic, ask: Ask): string => ask(`show map ${map}`)

/** Open sessions would go on reaching the backend that was closed. */
function cutSessions(component: Traffic, backend: string): string[] {
  return each(component, (ask) => [
    `for server in $(${ask(`show servers state ${backend}`)} | awk 'NR > 2 && $4 { print $4 }'); do echo "shutdown sessions server ${backend}/$server" | socat -t 5 - UNIX-CONNECT:${component.spec.socket}; done`,
  ])
}
