import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Progress, RestsOn } from '../../domain/progress.ts'
import type { Behaviour } from '../../driver/behaviour.ts'
import { kubernetesOf, siteOf } from '../../driver/site-of-step.ts'
import { isReady } from '../../platform/kubernetes/client/conditions.ts'
import { asSeen, onlyAsSeen, touchObject } from '../../platform/kubernetes/compare-and-set.ts'
import { ownedBy } from '../../platform/kubernetes/declared-objects.ts'
import { refusedPods } from '../../platform/kubernetes/refused-pods.ts'
import { databasesOf, missingOf } from '../../systems/redis/count-keys.ts'
import { minutes } from '../../values/duration.ts'
import { knowsTheShortWay, loadInPlace, type RestoreRequest } from './in-place.ts'
import { podReference } from './manifests.ts'
import type { DumpReference } from './move.ts'
import { askServer } from './server.ts'
import { backupJob, type RedisSpec, type Run, restoreRequest } from './spec.ts'

export const restore: Behaviour<RedisSpec> = {
  async done(run) {
    const { namespace, name } = run.component.spec
    const dump = dumpOf(run)
    const [pod, request] = await Promise.all(
      [podRef(run), requestRef(run)].map((ref) => kubernetesOf(run).get(ref, { signal: run.signal })),
    )
    const restsOn: RestsOn = {
      ...asSeen(request ?? null),
      pod: pod?.metadata.uid ?? null,
      asked: isAsked(run, request ?? null),
    }
    const pending = (waitingFor: string): Progress =>
      restsOn.asked === false ? { is: 'pending', waitingFor, restsOn } : { is: 'pending', waitingFor }
    if (pod === null || pod === undefined) return pending(`${name} to start again${await whyRefused(run)}`)
    if (pod.metadata.deletionTimestamp !== undefined) return pending(`${name} to start again`)
    const broken = initFailure(pod)
    if (broken !== null)
      return {
        is: 'failed',
        code: 'cache-restore-failed',
        why: `${name}: ${broken}`,
        next: `kubectl -n ${namespace} logs ${podReference(run.component).name} --all-containers`,
      }
    if (!isReady(pod)) return pending(`${name} to load the dump`)
    const facts = await askServer(kubernetesOf(run), podReference(run.component), run.signal)
    if (facts.restored !== requestId(run)) {
      const waitingFor = `${name} to take up the request ${requestId(run)}`
      return {
        is: 'pending',
        waitingFor,
        restsOn: { ...restsOn, loaded: knowsTheShortWay(pod) ? facts.restored : null },
      }
    }
    if (facts.loading) return pending(`${name} to load the dump`)
    // A dump beside append-only persistence is ignored without a word: only the count tells.
    const missing = dump === null || facts.fallback !== '' ? [] : missingOf(dump, facts)
    if (missing.length > 0)
      return {
        is: 'failed',
        code: 'cache-keys-missing',
        why: `${name} does not have all that the dump has: ${missing.join('; ')}`,
        next: "The old site's dump is kept; look at the log of the container load.",
      }
    return {
      is: 'done',
      proof: {
        keys: facts.keys,
        expiredSince: facts.expired,
        keysInDump: dump?.keys ?? 0,
        databases: facts.databases,
        ...(dump?.databases === undefined ? {} : { databasesInDump: databasesOf(dump) }),
        libraries: facts.libraries,
        takenAt: dump?.takenAt ?? null,
        ...(facts.fallback === '' ? {} : { beganEmpty: facts.fallback }),
        appendOnly: facts.appendOnly,
        version: facts.version,
      },
    }
  },
  async apply(run) {
    const request = await requestOf(run)
    // Also where the pod need not start again: should it, on another node, it must not find an older request.
    if (run.restsOn?.asked !== true) await ask(run, request)
    const { loaded, pod: uid } = run.restsOn ?? {}
    if (typeof loaded === 'string' && (await loadInPlace(run, loaded, request))) return
    // This very pod: the next one has the request already.
    if (typeof uid === 'string') await kubernetesOf(run).remove(podRef(run), { uid, signal: run.signal })
  },
  changes: (run) => kubernetesOf(run).watch(podRef(run), run.signal),
  // Where there is no request yet, a late one is written, and nothing is loaded for it: the pod is another one, or has
  // loaded something else.
  touch: (run) => touchObject(kubernetesOf(run), requestRef(run), run.signal),
}

async function requestOf(run: Run): Promise<RestoreRequest> {
  const dump = dumpOf(run)
  const source = run.context.stack.sites.find((site) => site.name === run.step.parameters.source)?.name ?? siteOf(run)
  const common = { id: requestId(run), otherwise: plannedDump(run) === null ? '' : 'empty' }
  if (dump === null) return { ...common, url: '', sha256: '', authorities: '' }
  const { location, open } = run.context.objectStore(run.component.spec.backup.store, source)
  const url = await (await open('read')).presignedGet(`${dump.name}.rdb`, minutes(60))
  return { ...common, url, sha256: dump.sha256, authorities: location.authorities ?? '' }
}

/** Puts the request where the next start finds it, if nobody has changed it since it was seen. */
async function ask(run: Run, request: RestoreRequest): Promise<void> {
  const data = Object.fromEntries(
    Object.entries(request).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  )
  const ref = requestRef(run)
  const labels = ownedBy(run.context.stack.name, run.component.name)
  if (run.restsOn?.resourceVersion === null) {
    const metadata = { name: ref.name, namespace: ref.namespace, labels }
    await kubernetesOf(run).create(
      { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data },
      { signal: run.signal },
    )
  } else await kubernetesOf(run).patch(ref, { metadata: { labels }, data }, onlyAsSeen(run))
}

/**
 * Told, and waited for until the step's deadline: users wait after the point of no return, and a person who mends it
 * need not continue the run.
 */
async function whyRefused(run: Run): Promise<string> {
  const { namespace, name } = run.component.spec
  const set = await kubernetesOf(run).get(
    { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespace, name },
    { signal: run.signal },
  )
  const refused = set === null || set === undefined ? null : await refusedPods(kubernetesOf(run), set, run.signal)
  return refused === null ? '' : `, and its pod is refused: ${refused.why}`
}

const podRef = (run: Run) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespace: run.component.spec.namespace,
  name: podReference(run.component).name,
})
const requestRef = (run: Run) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespace: run.component.spec.namespace,
  name: restoreRequest(run.component),
})
const isAsked = (run: Run, request: KubernetesObject | null): boolean =>
  (request?.data as { readonly id?: string } | undefined)?.id === Buffer.from(requestId(run)).toString('base64')

function dumpOf(run: Run): DumpReference | null {
  const planned = plannedDump(run)
  if (planned !== null) return planned
  const step = run.step.parameters.dump
  if (typeof step !== 'string' || step === '') return null
  const proof = run.proofOf(step)
  if (proof === null) throw new Error(`${run.step.id}: ${step} left no dump`)
  return proof as unknown as DumpReference
}

/** The dump that a failover was planned with: nobody can take a last one of a lost site. */
const plannedDump = (run: Run): DumpReference | null => (run.step.parameters.planned ?? null) as DumpReference | null

/**
 * One request per dump, so that a repeated step does not load twice. A planned dump may be one that this volume has
 * loaded before, and written over since: there it is one request per run.
 */
function requestId(run: Run): string {
  const dump = dumpOf(run)
  if (dump === null) return `fresh-${run.begunAt}`
  const name = dump.name.split('/').at(-1) ?? dump.name
  return plannedDump(run) === null ? name : `${name}-${run.begunAt}`
}

interface PodStatus {
  readonly initContainerStatuses?: readonly {
    readonly name: string
    readonly state?: { readonly waiting?: { readonly reason?: string } }
    readonly lastState?: { readonly terminated?: { readonly exitCode: number } }
  }[]
}

function initFailure(pod: KubernetesObject): string | null {
  const failed = ((pod.status as PodStatus | undefined)?.initContainerStatuses ?? []).find(
    (status) => status.state?.waiting?.reason === 'CrashLoopBackOff',
  )
  return failed === undefined
    ? null
    : `its container ${failed.name} fails again and again (exit code ${failed.lastState?.terminated?.exitCode ?? '?'})`
}

export const schedule: Behaviour<RedisSpec> = {
  async done(run) {
    const found = await kubernetesOf(run).get(cronRef(run), { signal: run.signal })
    if (found === null) return { is: 'done', proof: { schedule: null } }
    const suspended = (found.spec as { suspend?: boolean }).suspend ?? false
    return suspended === run.step.parameters.suspend
      ? { is: 'done', proof: { suspended } }
      : { is: 'pending', waitingFor: 'the schedule', restsOn: asSeen(found) }
  },
  async apply(run) {
    await kubernetesOf(run).patch(
      cronRef(run),
      { spec: { suspend: run.step.parameters.suspend === true } },
      onlyAsSeen(run),
    )
  },
  touch: (run) => touchObject(kubernetesOf(run), cronRef(run), run.signal),
}

/** The schedule again, as a fence: taken back with the failover that it belongs to. */
export const fence: Behaviour<RedisSpec> = {
  ...schedule,
  async undo(run) {
    await kubernetesOf(run).patch(cronRef(run), { spec: { suspend: false } }, onlyAsSeen(run))
  },
  async undone(run) {
    const found = await kubernetesOf(run).get(cronRef(run), { signal: run.signal })
    return (found?.spec as { suspend?: boolean } | undefined)?.suspend === true
      ? { is: 'pending', waitingFor: 'the dumps to be resumed', restsOn: asSeen(found) }
      : { is: 'done', proof: { suspended: false } }
  },
}
const cronRef = (run: Run) => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  namespace: run.component.spec.namespace,
  name: backupJob(run.component),
})
