import type { SpecProblem } from '../../domain/declaration.ts'
import type { SiteDriver } from '../../driver/capabilities.ts'
import { GUARD } from '../../guard/names.ts'
import { outOfBounds } from '../../stack/check-values.ts'
import { hours, minutes, readableDuration, seconds } from '../../values/duration.ts'
import { accessOf } from './access.ts'
import { assessment } from './assess.ts'
import { codes } from './codes.ts'
import { deployGuard } from './deploy.ts'
import { guardNamespace } from './namespace.ts'
import { type GuardState, observeGuard } from './observe.ts'
import { guardSelfFencing, selfFencing } from './self-fencing.ts'
import { GUARD_KIND, type GuardSpec, guardSchema, rulesOf } from './spec.ts'

/**
 * A guard on each site: it closes a site that comes back after a loss, or that cannot be proven active.
 */
export const guard: SiteDriver<GuardSpec, GuardState> = {
  kind: GUARD_KIND,
  scope: 'site',
  standsOn: 'kubernetes',
  schema: guardSchema,
  codes,
  brings: ['guard'],
  claims: (_component, stack) =>
    stack.sites.map((site) => ({
      key: `kubernetes ${site.name} ${guardNamespace(stack.name)}/Deployment/${GUARD}`,
      path: [],
    })),
  validate: ({ spec }) => [
    ...boundsProblems(spec),
    // The guard's process shows that it lives every half second: a shorter silence would take a busy machine for a
    // frozen one.
    ...(rulesOf(spec).silence < SHORTEST_SILENCE
      ? [{ path: ['silence'], what: `is shorter than ${readableDuration(SHORTEST_SILENCE)}` }]
      : []),
  ],
  access: accessOf,
  credentials: ({ spec }) =>
    Object.values(spec.witnessCredentials).map((reference) => ({
      reference,
      identities: ['deployer'],
      because: "reads active.json of the witness; a deploy puts it into the guard's Secret",
    })),
  observe: observeGuard,
  assess: assessment,
  deploys: { deploy: deployGuard },
  selfFences: { levels: () => ['application', 'database'], selfFencing: guardSelfFencing },
  actions: [selfFencing],
}

const SHORTEST_SILENCE = seconds(3)

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
