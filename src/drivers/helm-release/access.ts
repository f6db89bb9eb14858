import type { Claim, NamedPath, SpecProblem } from '../../domain/declaration.ts'
import { type AccessRule, OPERATING } from '../../domain/identities.ts'
import type { Stack } from '../../domain/stack.ts'
import { ruleAt } from '../../platform/kubernetes/rule-at.ts'
import { identityProblems } from '../../systems/application/declaration.ts'
import { placeholderProblems } from '../../systems/application/restored-endpoint.ts'
import { type Application, workloadRef } from './spec.ts'

export function claimsOf(component: Application, stack: Stack): Claim[] {
  const { namespace, release, workload } = component.spec
  return stack.sites.flatMap((site) => [
    { key: `kubernetes ${site.name} ${namespace}/HelmRelease/${release}`, path: ['release'] },
    { key: `kubernetes ${site.name} ${namespace}/${workload.kind}/${workload.name}`, path: ['workload', 'name'] },
  ])
}

export function problemsOf(component: Application, stack: Stack): SpecProblem[] {
  const names = stack.components.map((one) => one.name)
  return [
    ...identityProblems(component.spec, stack),
    ...Object.entries(component.spec.restoreTest?.environment ?? {}).flatMap(([variable, value]) =>
      placeholderProblems(value, component, names).map((what) => ({
        path: ['restoreTest', 'environment', variable],
        what,
      })),
    ),
  ]
}

export function filesOf(component: Application): NamedPath[] {
  const { chart, values, restoreTest } = component.spec
  const files = [
    ...(values?.all ?? []),
    ...(values?.active ?? []),
    ...(values?.passive ?? []),
    ...(restoreTest?.values ?? []),
  ]
  return [
    ...('path' in chart ? [{ path: chart.path, is: 'chart' as const }] : []),
    ...files.map((path) => ({ path, is: 'mapping' as const })),
  ]
}

export function accessOf(component: Application, stack: Stack): AccessRule[] {
  const { namespace, mustMatch = [], restoreTest, canary } = component.spec
  const { plural } = workloadRef(component)
  return stack.sites.flatMap((site): AccessRule[] => {
    const rule = ruleAt(site.name, namespace)
    const secrets = mustMatch.map(({ secret }) => secret)
    return [
      ...OPERATING.flatMap((identity) => [
        rule(identity, ['apps'], [plural], ['get'], 'to see the application', [component.spec.workload.name]),
        rule(identity, [''], ['pods'], ['list'], 'to see its pods'),
        rule(identity, ['apps'], ['deployments', 'statefulsets'], ['list'], 'to name what else its release runs'),
        rule(identity, ['batch'], ['cronjobs'], ['list'], 'to name what else its release runs'),
      ]),
      ...(plural === 'deployments'
        ? (['deployer', 'mover'] as const).map((identity) =>
            rule(identity, ['apps'], ['replicasets'], ['list'], 'to distinguish its new pods from its old ones'),
          )
        : []),
      rule('mover', [''], ['pods'], ['watch'], 'to see when its pods come and go'),
      ...(secrets.length === 0
        ? []
        : (['deployer', 'mover'] as const).map((identity) =>
            rule(identity, [''], ['secrets'], ['get'], 'to compare keys over sites, by hash', secrets),
          )),
      // Helm stores its releases in Secrets, and writes every object that the chart renders.
      ...(['deployer', 'mover'] as const).flatMap((identity) => [
        rule(
          identity,
          [''],
          ['secrets'],
          ['get', 'list', 'create', 'update', 'patch', 'delete'],
          'because Helm keeps its releases in Secrets',
        ),
        rule(
          identity,
          [''],
          ['services', 'serviceaccounts', 'configmaps'],
          ['get', 'list', 'create', 'update', 'patch', 'delete'],
          'to install what the chart renders',
        ),
        rule(
          identity,
          ['apps'],
          ['deployments', 'statefulsets'],
          ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'],
          'to install what the chart renders',
        ),
        rule(
          identity,
          ['networking.k8s.io'],
          ['ingresses'],
          ['get', 'list', 'create', 'update', 'patch', 'delete'],
          'to install what the chart renders',
        ),
        rule(
          identity,
          ['batch'],
          ['jobs'],
          ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'],
          'to install what the chart renders',
        ),
        rule(identity, [''], ['pods/log'], ['get'], 'to see why a rollout failed'),
        rule(identity, [''], ['events'], ['list'], 'to see why its pods are refused'),
      ]),
      rule('guard', ['apps'], [plural], ['get'], 'to see the application', [component.spec.workload.name]),
      rule(
        'guard',
        [''],
        ['pods'],
        ['list', 'watch'],
        'to see that none of its pods is left, and when the last one goes',
      ),
      rule('guard', ['apps'], [`${plural}/scale`], ['patch'], 'to stop the application on a site that is not active', [
        component.spec.workload.name,
      ]),
      rule('mover', ['apps'], [`${plural}/scale`], ['patch'], 'to stop and to start the application'),
      rule('mover', [''], ['pods'], ['delete'], 'to let pods that crashed before a start make way for new ones'),
      rule('mover', [''], ['pods/exec'], ['create', 'get'], 'to read the canary secret from inside the application'),
      ...(restoreTest === undefined
        ? []
        : [
            rule(
              'restore-tester',
              [''],
              ['secrets'],
              ['get'],
              "to start the application on restored data with the passive site's own key",
              [restoreTest.secret],
            ),
          ]),
      ...(canary === undefined
        ? []
        : [
            rule(
              'observer',
              [''],
              ['pods/proxy'],
              ['create'],
              'to log in as the canary, where its secret can still be renewed in peace',
            ),
          ]),
      rule('restore-tester', [''], ['pods/exec'], ['create', 'get'], 'to ask the active database which instance it is'),
    ]
  })
}
