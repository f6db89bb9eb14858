import { isDeepStrictEqual } from 'node:util'
import type { Claim, SpecProblem } from '../../domain/declaration.ts'
import { type AccessRule, IN_SANDBOX, OPERATING } from '../../domain/identities.ts'
import type { Stack } from '../../domain/stack.ts'
import { ruleAt } from '../../platform/kubernetes/rule-at.ts'
import { scheduleProblem } from '../../stack/cron.ts'
import { archiveName, copiedSecrets, noArchiveName, streamingSecrets } from './deploy/manifests.ts'
import {
  archiveMethod,
  clusterOf,
  type Database,
  firstServerName,
  follows,
  incarnationFolder,
  otherSites,
  siteSpecOf,
} from './spec.ts'

/** What each cluster holds alone: its object, and the prefix that it archives under. */
export function claimsOf(component: Database): Claim[] {
  return Object.entries(component.spec.sites).flatMap(([site, { name }]) => [
    { key: `kubernetes ${site} ${component.spec.namespace}/Cluster/${name}`, path: ['sites', site, 'name'] },
    {
      key: `archive ${component.spec.archive.store}/`,
      below: incarnationFolder(component, firstServerName(name)),
      path: ['sites', site, 'name'],
    },
  ])
}

export function problemsOf(component: Database, stack: Stack): SpecProblem[] {
  const store = stack.components.find((candidate) => candidate.name === component.spec.archive.store)
  const problems: SpecProblem[] = []
  const { schedule, archive, sites } = component.spec
  const wrong = schedule === undefined ? null : scheduleProblem(schedule, 6)
  if (wrong !== null) problems.push({ path: ['schedule'], what: wrong })
  if (store !== undefined && !component.needs.includes(archive.store))
    problems.push({
      path: ['archive', 'store'],
      what: `the archive is in ${archive.store}, so ${archive.store} belongs in needs`,
    })
  const names = Object.entries(sites)
  for (const [index, [site, { streaming }]] of names.entries())
    if (
      streaming !== undefined &&
      names.slice(0, index).some(([, earlier]) => isDeepStrictEqual(earlier.streaming, streaming))
    )
      problems.push({
        path: ['sites', site, 'streaming', 'host'],
        what: `another site's cluster is reached at ${streaming.host}:${streaming.nodePort} too: a replica would follow itself`,
      })
  for (const [index, [site, { name }]] of names.entries())
    if (names.slice(0, index).some(([, earlier]) => earlier.name === name))
      problems.push({
        path: ['sites', site, 'name'],
        what: `another site's cluster is called ${name} too; each must name the other, so the names must differ`,
      })
  if (store === undefined)
    problems.push({
      path: ['archive', 'store'],
      what: `no component ${component.spec.archive.store} is declared`,
      candidates: stack.components.map((one) => one.name),
    })
  for (const site of stack.sites)
    if (
      follows(component) === 'archive-and-streaming' &&
      component.spec.sites[site.name] !== undefined &&
      siteSpecOf(component, site.name).streaming === undefined
    )
      problems.push({
        path: ['sites', site.name],
        what: 'streaming is declared, and this site does not say how the other one reaches it: streaming: { host, nodePort }',
      })
  return problems
}

/** The rights that the four identities need, and why. */
export function accessOf(component: Database, stack: Stack): AccessRule[] {
  const { namespace } = component.spec
  return stack.sites.flatMap((site): AccessRule[] => {
    const rule = ruleAt(site.name, namespace)
    const seeing = OPERATING.flatMap((identity) => [
      rule(
        identity,
        ['postgresql.cnpg.io'],
        ['clusters', 'backups', 'scheduledbackups'],
        ['get', 'list', 'watch'],
        'to see roles, phases and backups',
      ),
      rule(identity, [''], ['pods'], ['get', 'list'], 'to see instances'),
      rule(
        identity,
        [''],
        ['pods/proxy'],
        ['get'],
        'to ask for positions (/pg/status), and how long WAL segments are (/metrics)',
      ),
    ])
    const plugin = archiveMethod(component) === 'plugin'
    const own = [clusterOf(component, site.name)]
    return [
      ...seeing,
      rule(
        'guard',
        ['postgresql.cnpg.io'],
        ['clusters'],
        ['get', 'list', 'watch'],
        'to see its role, and when it changes',
        own,
      ),
      rule('guard', ['postgresql.cnpg.io'], ['backups'], ['list'], 'because an observation names the last backup'),
      rule(
        'guard',
        ['postgresql.cnpg.io'],
        ['clusters'],
        ['patch'],
        'to fence the database on a site that is not active',
        own,
      ),
      rule('guard', [''], ['pods'], ['get', 'list'], 'to see instances'),
      rule('guard', [''], ['pods/proxy'], ['get'], 'to see that PostgreSQL has stopped (/pg/status)'),
      rule('guard', [''], ['pods'], ['delete'], 'to end a PostgreSQL that its operator forgot to stop'),
      rule(
        'deployer',
        ['postgresql.cnpg.io'],
        ['clusters', 'scheduledbackups'],
        ['create', 'patch'],
        'to keep clusters and schedules as declared',
      ),
      rule(
        'deployer',
        ['postgresql.cnpg.io'],
        ['backups'],
        ['create', 'delete'],
        'to take the first base backup, from which a passive site is cloned',
      ),
      rule(
        'deployer',
        [''],
        ['secrets'],
        ['create'],
        'to create archive keys and copied certificates (a name cannot restrict creation)',
      ),
      rule(
        'deployer',
        [''],
        ['secrets'],
        ['get', 'patch'],
        'to keep archive keys and copied streaming certificates fresh',
        stack.sites.flatMap((other) => [
          archiveName(component, other.name),
          ...(other.name === site.name ? [] : Object.values(copiedSecrets(clusterOf(component, other.name)))),
        ]),
      ),
      rule(
        'deployer',
        [''],
        ['secrets'],
        ['get'],
        'to copy the streaming certificate to the other sites (never the key of its authority)',
        Object.values(streamingSecrets(clusterOf(component, site.name))),
      ),
      rule('deployer', [''], ['pods/log'], ['get'], 'to tell why a first instance could not be made'),
      ...(['deployer', 'mover'] as const).flatMap((identity) => [
        rule(identity, ['batch'], ['jobs'], ['list'], 'to tell why the pod that makes an instance is refused'),
        rule(identity, [''], ['events'], ['list'], 'to tell why the pod that makes an instance is refused'),
      ]),
      ...(['observer', 'deployer', 'mover'] as const).map((identity) =>
        rule(identity, [''], ['secrets'], ['get'], 'to compare passwords over the sites, by keyed hash', [
          component.spec.secrets.superuser,
          component.spec.secrets.owner,
        ]),
      ),
      ...(plugin
        ? [
            rule(
              'deployer',
              ['barmancloud.cnpg.io'],
              ['objectstores'],
              ['get', 'create', 'patch'],
              'to keep archives as declared',
            ),
            rule(
              'mover',
              ['barmancloud.cnpg.io'],
              ['objectstores'],
              ['get'],
              'to see that a move can do without asking an archive',
              [noArchiveName(component)],
            ),
          ]
        : []),
      rule('mover', ['postgresql.cnpg.io'], ['clusters'], ['patch'], 'to demote and to promote', [
        clusterOf(component, site.name),
      ]),
      rule(
        'mover',
        ['postgresql.cnpg.io'],
        ['clusters/status'],
        ['patch'],
        'to have a promoted primary restarted at once',
        [clusterOf(component, site.name)],
      ),
      rule('mover', ['postgresql.cnpg.io'], ['scheduledbackups'], ['patch'], 'to turn the schedules round'),
      rule('mover', ['postgresql.cnpg.io'], ['backups'], ['create'], 'to take a base backup on the new side'),
      rule(
        'mover',
        [''],
        ['pods/exec'],
        ['create', 'get'],
        'to ask PostgreSQL for its last checkpoint, to send one, and to end what its operator left behind or forgot to stop',
      ),
      rule('mover', ['postgresql.cnpg.io'], ['clusters'], ['delete'], 'to clone a former active site anew', [
        clusterOf(component, site.name),
      ]),
      rule(
        'mover',
        ['postgresql.cnpg.io'],
        ['clusters'],
        ['create'],
        'to clone a former active site anew (a name cannot restrict creation)',
      ),
      rule(
        'mover',
        [''],
        ['persistentvolumeclaims'],
        ['list'],
        'to see that the volumes of a deleted cluster are gone',
      ),
      rule('mover', [''], ['pods/log'], ['get'], 'to tell why a clone could not be made'),
      ...(follows(component) === 'archive'
        ? []
        : [
            rule(
              'mover',
              [''],
              ['secrets'],
              ['create'],
              'to copy the certificates of a new clone (a name cannot restrict creation)',
            ),
            rule(
              'mover',
              [''],
              ['secrets'],
              ['get', 'patch'],
              'to copy the certificates of a new clone',
              otherSites(stack, site.name).flatMap((other) =>
                Object.values(copiedSecrets(clusterOf(component, other))),
              ),
            ),
            rule(
              'mover',
              [''],
              ['secrets'],
              ['get'],
              'to copy the certificate of a new clone to the other sites (never the key of its authority)',
              Object.values(streamingSecrets(clusterOf(component, site.name))),
            ),
          ]),
      rule(
        'restore-tester',
        ['postgresql.cnpg.io'],
        ['imagecatalogs'],
        ['get'],
        'to start a restored copy with the same image',
      ),
      rule('restore-tester', [''], ['configmaps'], ['get'], 'to start a restored copy with the same environment'),
      rule('restore-tester', [''], ['secrets'], ['get'], "to restore with the passive site's own password", [
        component.spec.secrets.owner,
      ]),
      {
        kind: 'kubernetes',
        identity: 'restore-tester',
        site: site.name,
        namespace: IN_SANDBOX,
        apiGroups: ['*'],
        resources: ['*'],
        verbs: ['*'],
        because: 'to build a restored copy in the sandbox, and to remove all of it',
      },
    ]
  })
}
