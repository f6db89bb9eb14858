import type { SpecProblem } from '../../domain/declaration.ts'
import { type AccessRule, OPERATING } from '../../domain/identities.ts'
import type { Stack } from '../../domain/stack.ts'
import type { Driver } from '../../driver/driver.ts'
import { GUARD, guardNamespace } from '../../guard/names.ts'
import { ruleAt } from '../../platform/kubernetes/rule-at.ts'
import { outOfBounds } from '../../stack/check-values.ts'
import { hours, minutes, readableDuration, seconds } from '../../values/duration.ts'
import { deployGuard } from './deploy.ts'
import { PROGRAM, WITNESS_KEYS } from './manifests.ts'
import { assessGuards, type GuardState, observeGuard } from './observe.ts'
import { guardSelfFencing, manualWait, selfFencing } from './self-fencing.ts'
import { GUARD_KIND, type GuardComponent, type GuardSpec, guardSchema, rulesOf } from './spec.ts'

/**
 * A watchman on each site: a site that comes back from the dead, or that nobody can prove active, finds its doors
 * closed.
 */
export const guard: Driver<GuardSpec, GuardState> = {
  kind: GUARD_KIND,
  scope: 'site',
  schema: guardSchema,
  brings: ['guard'],
  claims: (_component, stack) =>
    stack.sites.map((site) => ({
      key: `kubernetes ${site.name} ${guardNamespace(stack.name)}/Deployment/${GUARD}`,
      path: [],
    })),
  validate: ({ spec }) => [
    ...boundsProblems(spec),
    // Signs of life come every half second: a shorter silence would take a busy machine for a frozen one.
    ...(rulesOf(spec).silence < SHORTEST_SILENCE
      ? [{ path: ['silence'], what: `is shorter than ${readableDuration(SHORTEST_SILENCE)}` }]
      : []),
  ],
  reaches: () => ['application', 'database'],
  access: accessOf,
  credentials: ({ spec }) =>
    Object.values(spec.witnessCredentials).map((reference) => ({
      reference,
      identities: ['deployer'],
      because: "reads active.json of the witness; a deploy puts it into the guard's Secret",
    })),
  observe: observeGuard,
  assess: assessGuards,
  deploy: deployGuard,
  selfFencing: guardSelfFencing,
  manual: (_component, step) => manualWait(step),
  behaviours: { 'self-fencing': selfFencing },
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

function accessOf(_component: GuardComponent, stack: Stack): AccessRule[] {
  return stack.sites.flatMap((site): AccessRule[] => {
    const rule = ruleAt(site.name, guardNamespace(stack.name))
    return [
      ...OPERATING.flatMap((identity) => [
        rule(identity, ['apps'], ['deployments'], ['get'], 'to see whether the guard runs', [GUARD]),
        rule(identity, [''], ['configmaps'], ['get'], 'to read what the guard reports', [GUARD]),
      ]),
      rule(
        'deployer',
        ['apps'],
        ['deployments'],
        ['create'],
        'to install the guard (a name can not restrict creation)',
      ),
      rule(
        'deployer',
        [''],
        ['configmaps', 'secrets'],
        ['create'],
        'to install the guard (a name can not restrict creation)',
      ),
      rule('deployer', ['apps'], ['deployments'], ['patch'], 'to keep the guard as declared', [GUARD]),
      rule('deployer', [''], ['configmaps'], ['get', 'patch'], 'to keep the guard as declared', [GUARD, PROGRAM]),
      rule('deployer', [''], ['secrets'], ['get', 'patch'], "to keep the guard's keys of the witness", [WITNESS_KEYS]),
      rule('deployer', [''], ['pods'], ['list'], 'to tell why a guard does not start'),
      rule('deployer', [''], ['events'], ['list'], 'to tell why its pod is refused'),
      rule('guard', [''], ['configmaps'], ['get', 'patch'], 'to report', [GUARD]),
    ]
  })
}
