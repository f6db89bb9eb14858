import { type AccessRule, OPERATING } from '../../domain/identities.ts'
import type { Stack } from '../../domain/stack.ts'
import { GUARD } from '../../guard/names.ts'
import { ruleAt } from '../../platform/kubernetes/rule-at.ts'
import { PROGRAM, WITNESS_KEYS } from './manifests.ts'
import { guardNamespace } from './namespace.ts'
import type { GuardComponent } from './spec.ts'

export function accessOf(_component: GuardComponent, stack: Stack): AccessRule[] {
  return stack.sites.flatMap((site): AccessRule[] => {
    const rule = ruleAt(site.name, guardNamespace(stack.name))
    return [
      ...OPERATING.flatMap((identity) => [
        rule(identity, ['apps'], ['deployments'], ['get'], 'to see whether the guard runs', [GUARD]),
        rule(identity, [''], ['configmaps'], ['get'], 'to read what the guard reports', [GUARD]),
      ]),
      rule('deployer', ['apps'], ['deployments'], ['create'], 'to install the guard (a name cannot restrict creation)'),
      rule(
        'deployer',
        [''],
        ['configmaps', 'secrets'],
        ['create'],
        'to install the guard (a name cannot restrict creation)',
      ),
      rule('deployer', ['apps'], ['deployments'], ['patch'], 'to keep the guard as declared', [GUARD]),
      rule('deployer', [''], ['configmaps'], ['get', 'patch'], 'to keep the guard as declared', [GUARD, PROGRAM]),
      rule('deployer', [''], ['secrets'], ['get', 'patch'], "to keep the guard's keys of the witness", [WITNESS_KEYS]),
      rule('deployer', [''], ['pods'], ['list'], 'to see why a guard does not start'),
      rule('deployer', [''], ['events'], ['list'], 'to see why its pod is refused'),
      rule('guard', [''], ['configmaps'], ['get', 'patch'], 'to report', [GUARD]),
    ]
  })
}
