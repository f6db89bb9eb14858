import type { ByHand, DriverStep } from '../../driver/action.ts'
import { type ManualSurroundings, quoted } from '../../driver/manual.ts'
import { kubeContext, kubectl } from '../../platform/kubernetes/by-hand.ts'
import type { None } from '../../systems/application/prove-identity.ts'
import type { JsonObject } from '../../values/json.ts'
import type { Before, EndLook, Reconcile, Start } from './parameters.ts'
import { type Application, type HelmReleaseSpec, valuesFiles } from './spec.ts'

/** The steps by kubectl and helm. */
type OfRelease<Parameters extends JsonObject> = ByHand<HelmReleaseSpec, Parameters>

export const stopByHand: OfRelease<Before> = {
  say(component, step, around) {
    const k = kubectlOf(component, step, around)
    return {
      commands: [
        `${k} scale ${targetOf(component)} --replicas=0`,
        `${k} get pods | grep ${quoted(component.spec.workload.name)}`,
      ],
      expect: 'No pod of it is left: not "Terminating", gone.',
      never: 'Go on while one is left: it may still write.',
    }
  },
}

export const startByHand: OfRelease<Start> = {
  say(component, step, around) {
    const k = kubectlOf(component, step, around)
    const target = targetOf(component)
    return {
      commands: [
        `${k} scale ${target} --replicas=${step.parameters.replicas ?? '1   # or what your values say'}`,
        `${k} rollout status ${target} --timeout=10m`,
      ],
      expect: 'successfully rolled out.',
      never: 'Start it before the database accepts writes: it would migrate, or give up.',
    }
  },
}

export const pullImagesByHand: OfRelease<None> = {
  say(component, step, around) {
    const k = kubectlOf(component, step, around)
    return {
      commands: [
        `${k} get ${targetOf(component)} -o jsonpath='{.spec.template.spec.containers[*].image}'`,
        `${k} run image-try --restart=Never --image=THE-IMAGE --command -- /standby-starts-nothing-here   # it cannot start, and need not`,
        `${k} get pod image-try -o jsonpath='{.status.containerStatuses[*].imageID}'`,
        `${k} delete pod image-try`,
      ],
      expect: 'An id: a node has pulled the image. Nothing in it was run.',
    }
  },
}

export const secondLookByHand: OfRelease<Before> = {
  say: (component, step, around) => ({
    commands: [
      `${kubectlOf(component, step, around)} get ${targetOf(component)} --show-managed-fields -o yaml   # which manager writes spec.replicas?`,
    ],
    expect:
      'No manager but helm, kubectl, Standby and an autoscaler. Another controller that stands there (Argo CD, Flux) is paused first: it would take back what follows.',
  }),
}

export const endLookByHand: OfRelease<EndLook> = {
  say: (component, step, around) => ({
    commands: [
      `${kubectlOf(component, step, around)} get ${targetOf(component)}   # as many replicas as its values say`,
    ],
    expect: 'Nothing to do by hand, unless one replica more was tried: take it back before any door is closed.',
  }),
}

export const reconcileByHand: OfRelease<Reconcile> = {
  say: (component, step, { stack }) => ({
    commands: [upgrade(component, step.parameters, kubeContext(stack, siteOf(component, step)))],
    expect: `STATUS: deployed, with the values of the ${step.parameters.role} role.`,
  }),
}

/** Each step of this driver belongs to one site: a step without a site is a defect of its plan. */
function siteOf({ name }: Application, { action, site }: DriverStep): string {
  if (site === null) throw new Error(`${name}.${action} names no site`)
  return site
}
const kubectlOf = (component: Application, step: DriverStep, { stack }: ManualSurroundings): string =>
  kubectl(stack, siteOf(component, step), component.spec.namespace)
const targetOf = ({ spec: { workload } }: Application): string => `${workload.kind.toLowerCase()}/${workload.name}`

function upgrade(component: Application, { role }: Reconcile, context: string): string {
  const { release, namespace, chart } = component.spec
  const values = valuesFiles(component, role).map((file) => `--values ${quoted(file)}`)
  return [
    `helm --kube-context ${quoted(context)} upgrade --install ${release} ${sourceOf(chart)} --namespace ${namespace}`,
    ...values,
  ].join(' ')
}

function sourceOf(chart: HelmReleaseSpec['chart']): string {
  if ('path' in chart) return quoted(chart.path)
  return 'oci' in chart
    ? `${quoted(chart.oci)} --version ${quoted(chart.version)}`
    : `${quoted(chart.name)} --repo ${quoted(chart.repository)} --version ${quoted(chart.version)}`
}
