import type { PlannedStep } from '../../domain/plan.ts'
import { type Manual, quoted } from '../../driver/manual.ts'
import type { Traffic } from './spec.ts'

/** The step by ssh on every load balancer. */
export function manualStep(component: Traffic, step: PlannedStep): Manual | null {
  const value = String(step.parameters.value ?? '')
  switch (step.action) {
    case 'close':
      return {
        commands: [
          ...each(component, (ask) => [setFile(component, value), setRuntime(component, value, ask)]),
          ...cut(component, String(step.parameters.cut ?? '')),
        ],
        expect: `Every load balancer answers ${component.spec.key} ${value}, in its map and in its file, and has no session of ${String(step.parameters.cut ?? '')} left.`,
        never:
          'Go on while one of them still lets users in: what they write is lost. To take it back: the same lines with the value from before.',
      }
    case 'switch':
      return {
        commands: [
          ...each(component, (ask) => [setFile(component, value), setRuntime(component, value, ask)]),
          ...fromOutside(component),
        ],
        expect: `Every load balancer answers ${component.spec.key} ${value}${component.spec.verify === undefined ? '' : `, and ${component.spec.verify.header}: ${String(step.parameters.site)} comes back through each of them`}.`,
      }
    case 'stay':
      return {
        commands: [
          ...(step.parameters.sets === undefined
            ? []
            : each(
                component,
                (ask) => [setFile(component, value), setRuntime(component, value, ask)],
                step.parameters.sets,
              )),
          ...each(component, (ask) => [show(component, ask)]),
          ...fromOutside(component),
        ],
        expect: `Every load balancer serves ${String(step.parameters.site)}.`,
      }
    default:
      return null
  }
}

type Ask = (command: string) => string

/** One ssh per load balancer; the file first, so that a reload in between can not take the switch back. */
function each(component: Traffic, lines: (ask: Ask) => readonly string[], only?: unknown): string[] {
  const { ssh, instances, socket } = component.spec
  const ask: Ask = (command) => `echo "${command}" | socat -t 5 - UNIX-CONNECT:${socket}`
  const hosts = instances.map(({ host }) => host).filter((host) => !Array.isArray(only) || only.includes(host))
  return hosts.map(
    (host) =>
      `ssh ${ssh.port === undefined ? '' : `-p ${ssh.port} `}${ssh.user}@${host} ${quoted(lines(ask).join(' && '))}`,
  )
}

const setFile = ({ spec: { map, key } }: Traffic, value: string): string =>
  `sed -i "s/^${key} .*/${key} ${value}/" ${map} && grep "^${key} " ${map}`
const setRuntime = (component: Traffic, value: string, ask: Ask): string =>
  `${ask(`set map ${component.spec.map} ${component.spec.key} ${value}`)} && ${show(component, ask)}`
const show = ({ spec: { map } }: Traffic, ask: Ask): string => ask(`show map ${map}`)

/** Open sessions would go on reaching the backend that was closed. */
function cut(component: Traffic, backend: string): string[] {
  if (backend === '') return []
  return each(component, (ask) => [
    `for server in $(${ask(`show servers state ${backend}`)} | awk 'NR > 2 && $4 { print $4 }'); do echo "shutdown sessions server ${backend}/$server" | socat -t 5 - UNIX-CONNECT:${component.spec.socket}; done`,
  ])
}

function fromOutside({ spec: { instances, verify } }: Traffic): string[] {
  return instances.map(
    ({ url }) =>
      `curl -sS -o /dev/null -D - ${quoted(url)}${verify === undefined ? '' : ` | grep -i ${quoted(`^${verify.header}:`)}`}`,
  )
}
