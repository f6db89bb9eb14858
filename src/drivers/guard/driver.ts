import type { SpecProblem } from '../../domain/declaration.ts'
import type { SiteDriver } from '../../driver/capabilities.ts'
import { GUARD, guardService } from '../../guard/names.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { outOfBounds } from '../../stack/check-values.ts'
import { hours, minutes, readableDuration, seconds } from '../../values/duration.ts'
import { accessOf } from './access.ts'
import { assessment } from './assess.ts'
import { codes } from './codes.ts'
import { deployGuard } from './deploy.ts'
import { deployToMachines } from './hosts/deploy.ts'
import { observeMachines } from './hosts/observe.ts'
import { guardNamespace } from './namespace.ts'
import { type GuardState, observeGuard } from './observe.ts'
import { guardSelfFencing, selfFencing } from './self-fencing.ts'
import { GUARD_KIND, type GuardSpec, guardSchema, isOnHosts, rulesOf } from './spec.ts'
import { keysProblems } from './witness-keys.ts'

/**
 * A guard on each site: it closes a site that comes back after a loss, or that cannot be proven active.
 */
export const guard: SiteDriver<GuardSpec, GuardState> = {
  kind: GUARD_KIND,
  scope: 'site',
  standsOn: KUBERNETES.platform,
  platformOf: ({ spec }) => (isOnHosts(spec) ? HOSTS : KUBERNETES).platform,
  schema: guardSchema,
  codes,
  brings: ['guard'],
  claims: ({ spec }, stack) =>
    stack.sites.map((site) => ({
      key: isOnHosts(spec)
        ? `hosts ${site.name} ${guardService(stack.name)}`
        : `kubernetes ${site.name} ${guardNamespace(stack.name)}/Deployment/${GUARD}`,
      path: [],
    })),
  validate: ({ spec }, stack) => [
    ...platformProblems(spec),
    ...keysProblems(spec, stack),
    ...boundsProblems(spec),
    // The guard's process shows that it lives every half second: a shorter silence would take a busy machine for a
    // frozen one.
    ...(rulesOf(spec).silence < SHORTEST_SILENCE
      ? [{ path: ['silence'], what: `is shorter than ${readableDuration(SHORTEST_SILENCE)}` }]
      : []),
  ],
  access: (component, stack) => (isOnHosts(component.spec) ? [] : accessOf(component, stack)),
  credentials: ({ spec }) => [
    ...Object.values(spec.witnessCredentials).map((reference) => ({
      reference,
      identities: ['deployer'] as const,
      because: isOnHosts(spec)
        ? 'reads active.json of the witness; a deploy puts it into a file that only root of each machine reads'
        : "reads active.json of the witness; a deploy puts it into the guard's Secret",
    })),
    ...Object.values(spec.environment ?? {}).map((reference) => ({
      reference,
      identities: ['deployer'] as const,
      because:
        'the guard looks at components with it; a deploy puts it into a file that only root of each machine reads',
    })),
  ],
  observe: (component, site, context) =>
    isOnHosts(component.spec) ? observeMachines(component, site, context) : observeGuard(component, site, context),
  assess: assessment,
  deploys: {
    deploy: (component, site, deployment, context) =>
      isOnHosts(component.spec)
        ? deployToMachines(component, site, context)
        : deployGuard(component, site, deployment, context),
  },
  selfFences: {
    levels: () => ['application', 'database'],
    selfFencing: guardSelfFencing,
    closesBy: ({ spec }) => (isOnHosts(spec) ? 'units' : 'fences'),
  },
  actions: [selfFencing],
}

const SHORTEST_SILENCE = seconds(3)

function platformProblems(spec: GuardSpec): SpecProblem[] {
  const onHosts = isOnHosts(spec)
  const foreign = onHosts ? (['image'] as const) : (['node', 'environment'] as const)
  return [
    ...(onHosts || spec.image !== undefined
      ? []
      : [{ path: [], what: 'declares no image, which a guard on kubernetes needs' }]),
    ...foreign
      .filter((key) => spec[key] !== undefined)
      .map((key) => ({
        path: [key],
        what: `is of a guard on ${onHosts ? 'kubernetes' : 'hosts'}, and this one is not`,
      })),
  ]
}

const boundsProblems = ({ every, silence, closeAfter }: GuardSpec): SpecProblem[] => [
  ...outOfBounds(every, { least: 500, most: minutes(5), why: 'the store is asked as often' }).map((what) => ({
    path: ['every'],
    what,
  })),
  ...outOfBounds(silence, {
    least: 0,
    most: hours(24),
    why: 'a site that is not proven active stays open for so long',
  }).map((what) => ({
    path: ['silence'],
    what,
  })),
  ...outOfBounds(closeAfter, {
    least: SHORTEST_SILENCE,
    most: 7 * hours(24),
    why: 'a silent witness closes the active site',
  }).map((what) => ({
    path: ['closeAfter'],
    what,
  })),
]
