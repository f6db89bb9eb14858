import type { PlannedStep } from '../../domain/plan.ts'
import { kubeContext, kubectl, type Manual, type ManualSurroundings, quoted } from '../../driver/manual.ts'
import { type Application, valuesFiles } from './spec.ts'

/** The step by kubectl and helm. */
export function manualStep(component: Application, step: PlannedStep, { stack }: ManualSurroundings): Manual | null {
  if (step.site === null) return null
  const { namespace, workload, identity } = component.spec
  const k = kubectl(stack, step.site, namespace)
  const target = `${workload.kind.toLowerCase()}/${workload.name}`
  switch (step.action) {
    case 'stop':
      return {
        commands: [`${k} scale ${target} --replicas=0`, `${k} get pods | grep ${quoted(workload.name)}`],
        expect: 'No pod of it is left: not "Terminating", gone.',
        never: 'Go on while one is left: it may still write.',
      }
    case 'start':
      return {
        commands: [
          `${k} scale ${target} --replicas=${typeof step.parameters.replicas === 'number' ? step.parameters.replicas : '1   # or what your values say'}`,
          `${k} rollout status ${target} --timeout=10m`,
        ],
        expect: 'successfully rolled out.',
        never: 'Start it before the database accepts writes: it would migrate, or give up.',
      }
    case 'pull-images':
      return {
        commands: [
          `${k} get ${target} -o jsonpath='{.spec.template.spec.containers[*].image}'`,
          `${k} run image-try --restart=Never --image=THE-IMAGE --command -- /standby-starts-nothing-here   # it can not start, and need not`,
          `${k} get pod image-try -o jsonpath='{.status.containerStatuses[*].imageID}'`,
          `${k} delete pod image-try`,
        ],
        expect: 'An id: a node has pulled the image. Nothing in it was run.',
      }
    case 'second-look':
      return {
        commands: [`${k} get ${target} --show-managed-fields -o yaml   # who writes spec.replicas?`],
        expect:
          'Nobody but helm, kubectl, Standby and an autoscaler. Whoever else stands there (Argo CD, Flux) is paused first: it would take back what follows.',
      }
    case 'end-look':
      return {
        commands: [`${k} get ${target}   # as many replicas as its values say`],
        expect: 'Nothing to do by hand: who has tried one replica more takes it back before any door is closed.',
      }
    case 'remember':
    case 'identity':
      return {
        commands: identity === undefined ? [] : asked(identity, step.site),
        expect:
          step.action === 'remember'
            ? 'Write both answers down: the new site must give the same.'
            : `The same answers as before the move${component.spec.canary === undefined ? '' : `, and the secret ${component.spec.canary.name} can be read in the application: its key opens the data`}.`,
        ...(step.action === 'identity'
          ? { never: 'Open the traffic to an application that gives another answer: it serves other data.' }
          : {}),
      }
    case 'reconcile':
      return {
        commands: [upgrade(component, step, step.site === null ? '' : kubeContext(stack, step.site))],
        expect: `STATUS: deployed, with the values of the ${String(step.parameters.role)} role.`,
      }
    default:
      return null
  }
}

const asked = (
  { database, query, migrations }: NonNullable<Application['spec']['identity']>,
  site: string,
): string[] => [
  `# With psql in the database of the component ${database} on ${site}:`,
  ...[query, ...(migrations === undefined ? [] : [migrations])].map((sql) => `#   ${sql.replaceAll(/\s+/g, ' ')}`),
]

function upgrade(component: Application, step: PlannedStep, context: string): string {
  const { release, namespace, chart } = component.spec
  const from =
    'path' in chart
      ? quoted(chart.path)
      : 'oci' in chart
        ? `${quoted(chart.oci)} --version ${quoted(chart.version)}`
        : `${quoted(chart.name)} --repo ${quoted(chart.repository)} --version ${quoted(chart.version)}`
  const values = valuesFiles(component, step.parameters.role === 'active' ? 'active' : 'passive').map(
    (file) => `--values ${quoted(file)}`,
  )
  return [
    `helm --kube-context ${quoted(context)} upgrade --install ${release} ${from} --namespace ${namespace}`,
    ...values,
  ].join(' ')
}
