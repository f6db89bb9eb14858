import { isLogin, type ObjectStoreLocation } from '../../clients/object-store-client.ts'
import type { Claim, SpecProblem } from '../../domain/declaration.ts'
import { type AccessRule, OPERATING } from '../../domain/identities.ts'
import type { Stack } from '../../domain/stack.ts'
import type { LocationOf } from '../../driver/assessment.ts'
import { ruleAt } from '../../platform/kubernetes/rule-at.ts'
import { outOfBounds } from '../../stack/check-values.ts'
import { scheduleProblem } from '../../stack/cron.ts'
import { hours } from '../../values/duration.ts'
import { volumeOf } from './how-to-begin.ts'
import { backupFolder, backupJob, type Cache, podOf, restoreRequest } from './spec.ts'

export function claimsOf(component: Cache, stack: Stack): Claim[] {
  const { namespace, name, backup } = component.spec
  return [
    ...stack.sites.map((site) => ({ key: `kubernetes ${site.name} ${namespace}/StatefulSet/${name}`, path: ['name'] })),
    { key: `archive ${backup.store}/`, below: backupFolder(component), path: ['backup', 'prefix'] },
  ]
}

export function problemsOf(component: Cache, stack: Stack, objectStore: LocationOf): SpecProblem[] {
  const { store, schedule, retention } = component.spec.backup
  const wrong = schedule === undefined ? null : scheduleProblem(schedule, 5)
  return [
    ...(stack.components.some((candidate) => candidate.name === store)
      ? []
      : [
          {
            path: ['backup', 'store'],
            what: `no component ${store} is declared`,
            candidates: stack.components.map((one) => one.name),
          },
        ]),
    ...stack.sites
      .filter(({ name }) => hasNoKeys(objectStore(store, name)))
      .slice(0, 1)
      .map(({ name }) => ({
        path: ['backup', 'store'],
        what: `${store} has no keys on ${name} (login: aws), and dumps are stored with keys: declare accessKeyId and secretAccessKey there, or another store`,
      })),
    ...(wrong === null ? [] : [{ path: ['backup', 'schedule'], what: wrong }]),
    ...outOfBounds(retention, {
      least: hours(1),
      most: 10 * 366 * hours(24),
      why: 'each dump deletes the ones that are older',
    }).map((what) => ({
      path: ['backup', 'retention'],
      what,
    })),
  ]
}

const hasNoKeys = (location: ObjectStoreLocation | null): boolean => location !== null && isLogin(location.credentials)

export function accessOf(component: Cache, stack: Stack): AccessRule[] {
  const { namespace, name, password } = component.spec
  return stack.sites.flatMap((site): AccessRule[] => {
    const rule = ruleAt(site.name, namespace)
    return [
      ...OPERATING.flatMap((identity) => [
        rule(identity, ['apps'], ['statefulsets'], ['get'], `to see ${name}`, [name]),
        rule(identity, [''], ['pods'], ['get'], `to see ${name}`, [podOf(component)]),
        rule(identity, ['batch'], ['cronjobs'], ['get'], 'to see whether its dumps are taken', [backupJob(component)]),
      ]),
      rule('guard', ['apps'], ['statefulsets'], ['get'], `to see ${name}`, [name]),
      rule('guard', [''], ['pods'], ['get'], `to see ${name}`, [podOf(component)]),
      rule('guard', ['batch'], ['cronjobs'], ['get', 'patch'], 'to stop the dumps of a site that is not active', [
        backupJob(component),
      ]),
      rule('deployer', ['apps'], ['statefulsets'], ['create', 'patch'], 'to keep the server as declared'),
      rule(
        'deployer',
        [''],
        ['persistentvolumeclaims'],
        ['get'],
        'to see whether the data of a server that is gone are left',
        [volumeOf(name)],
      ),
      rule('deployer', [''], ['events'], ['list'], 'to see why its pod is refused'),
      rule(
        'deployer',
        [''],
        ['services', 'secrets'],
        ['get', 'create', 'patch'],
        'to keep its Service and the keys of its backups',
      ),
      rule('deployer', ['batch'], ['cronjobs'], ['get', 'create', 'patch'], 'to keep its schedule as declared'),
      rule('mover', ['batch'], ['cronjobs'], ['get', 'patch'], 'to move the schedule to the new site', [
        backupJob(component),
      ]),
      rule('mover', ['batch'], ['jobs'], ['get', 'list', 'watch', 'create'], 'to take the last dump'),
      rule('mover', [''], ['pods'], ['list', 'watch'], 'to see the pod of a dump, and when the server starts again'),
      rule('mover', [''], ['pods/log'], ['get'], 'to see why a dump failed'),
      rule('mover', [''], ['events'], ['list'], 'to see why the pod of a dump is refused'),
      rule('mover', [''], ['secrets'], ['create'], 'to ask the new site to load a dump'),
      rule('mover', [''], ['secrets'], ['get', 'patch'], 'to ask the new site to load a dump', [
        restoreRequest(component),
      ]),
      rule('mover', [''], ['pods'], ['delete'], 'to start it again with the dump', [podOf(component)]),
      rule('mover', [''], ['pods/exec'], ['create', 'get'], 'to dump, load and count what it holds'),
      rule('restore-tester', [''], ['secrets'], ['get'], "to use the passive site's own password", [password.secret]),
    ]
  })
}
