import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Phase } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Seen, StepReference, Versioned } from '../../driver/behaviour.ts'
import type { Proof } from '../../driver/proofs.ts'
import { isReady } from '../../platform/kubernetes/client/conditions.ts'
import { type AsSeen, asSeen, ifUnchanged, invalidateObject } from '../../platform/kubernetes/compare-and-set.ts'
import { ownedBy } from '../../platform/kubernetes/declared-objects.ts'
import { kubernetesOf, siteOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { refusedPods } from '../../platform/kubernetes/refused-pods.ts'
import { databasesOf, missingOf } from '../../systems/redis/count-keys.ts'
import { minutes, seconds } from '../../values/duration.ts'
import type { DumpTaken } from './backup.ts'
import { codes } from './codes.ts'
import { knowsTheShortWay, loadInPlace, type RestoreRequest } from './in-place.ts'
import { podReference } from './manifests.ts'
import type { Restore } from './parameters.ts'
import { type DumpReference, dumpVaries, titleOfPlanned } from './planned-dump.ts'
import { restoreByHand } from './runbook.ts'
import { askServer, type ServerFacts } from './server.ts'
import { type RedisRun, type RedisSpec, restoreRequest } from './spec.ts'

interface Restored extends Proof {
  readonly keys: number
  readonly expiredSince: number
  readonly keysInDump: number
  readonly databases: Readonly<Record<string, number>>
  readonly databasesInDump?: Readonly<Record<string, number>>
  readonly libraries: number
  /** ISO 8601; null: it began empty, as planned. */
  readonly takenAt: string | null
  /** Why it began empty although a dump was requested. */
  readonly beganEmpty?: string
  readonly appendOnly: boolean
  readonly version: string
}
/** The request (a Secret), the pod, and the dump that its server had loaded; `loaded: null`: no short way. */
type RequestSeen = AsSeen & {
  /** uid */
  readonly pod: string | null
  readonly asked: boolean
  readonly loaded?: string | null
}
type RestoreRun = RedisRun<Restore>

export const restoreStep = (
  site: SiteName,
  step: {
    readonly title: string
    readonly parameters: Restore
    readonly mayBeginIn?: Phase
    readonly needs?: readonly StepReference<Proof>[]
  },
): DriverStep<Restore> =>
  planStep(restore, site, { phase: 'RESTORE_AUX', deadline: minutes(20), expected: seconds(3), ...step })

const behaviour: Versioned<RedisSpec, Restore, Restored, RequestSeen> = {
  is: 'versioned',
  async done(run) {
    const { namespace, name } = run.component.spec
    const [pod, request] = await Promise.all(
      [podRef(run), requestRef(run)].map((ref) => kubernetesOf(run).get(ref, { signal: run.signal })),
    )
    const seen: RequestSeen = {
      ...asSeen(request ?? null),
      pod: pod?.metadata.uid ?? null,
      asked: isAsked(run, request ?? null),
    }
    const pending = (waitingFor: string): Seen<never, RequestSeen> =>
      seen.asked ? { is: 'pending', waitingFor } : { is: 'pending', waitingFor, due: seen }
    if (pod === null || pod === undefined) return pending(`${name} to start again${await whyRefused(run)}`)
    if (pod.metadata.deletionTimestamp !== undefined) return pending(`${name} to start again`)
    const broken = initFailure(pod)
    if (broken !== null)
      return {
        is: 'failed',
        code: codes.code['cache-restore-failed'],
        why: `${name}: ${broken}`,
        next: `kubectl -n ${namespace} logs ${podReference(run.component).name} --all-containers`,
      }
    if (!isReady(pod)) return pending(`${name} to load the dump`)
    const facts = await askServer(kubernetesOf(run), podReference(run.component), run.signal)
    if (facts.restored !== requestId(run)) {
      const waitingFor = `${name} to take up the request ${requestId(run)}`
      return { is: 'pending', waitingFor, due: { ...seen, loaded: knowsTheShortWay(pod) ? facts.restored : null } }
    }
    if (facts.loading) return pending(`${name} to load the dump`)
    return judgeLoaded(name, dumpOf(run), facts)
  },
  async apply(run, seen) {
    const request = await requestOf(run)
    // Also where the pod need not start again: if it starts on another node, it must not find an older request.
    if (!seen.asked) await ask(run, request, seen)
    if (typeof seen.loaded === 'string' && (await loadInPlace(run, seen.loaded, request))) return
    // Only this pod: the next one has the request already.
    if (typeof seen.pod === 'string') await kubernetesOf(run).remove(podRef(run), { uid: seen.pod, signal: run.signal })
  },
  changes: (run) => kubernetesOf(run).watch(podRef(run), run.signal),
  // Where there is no request yet, a late write creates one, and no server loads it: the pod is another one, or has
  // loaded another dump.
  invalidate: (run) => invalidateObject(kubernetesOf(run), requestRef(run), run.signal),
  back: {
    is: 'leaves-nothing',
    because: 'the data of a passive Redis are not used, and the next move loads it anew',
  },
}

export const restore: Action<RedisSpec, Restore, Restored> = {
  name: 'restore',
  parameters: {
    type: 'object',
    required: ['source', 'dump'],
    additionalProperties: false,
    properties: {
      source: { type: 'string' },
      dump: { type: 'string' },
      planned: {
        type: 'object',
        required: ['name', 'keys', 'expired', 'sha256', 'takenAt'],
        additionalProperties: false,
        properties: {
          name: { type: 'string' },
          keys: { type: 'integer' },
          expired: { type: 'integer' },
          databases: {
            type: 'object',
            additionalProperties: {
              type: 'object',
              required: ['keys', 'expiring'],
              properties: { keys: { type: 'integer' }, expiring: { type: 'integer' } },
            },
          },
          libraries: { type: 'integer' },
          sha256: { type: 'string' },
          takenAt: { type: 'string' },
        },
      },
    },
  },
  varies: { planned: dumpVaries },
  titleOf: titleOfPlanned,
  behaviour,
  byHand: restoreByHand,
}

/** A dump beside append-only persistence is ignored silently: only the count shows it. */
function judgeLoaded(name: string, dump: DumpReference | null, facts: ServerFacts): Seen<Restored, never> {
  const missing = dump === null || facts.fallback !== '' ? [] : missingOf(dump, facts)
  if (missing.length > 0)
    return {
      is: 'failed',
      code: codes.code['cache-keys-missing'],
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
}

async function requestOf(run: RestoreRun): Promise<RestoreRequest> {
  const dump = dumpOf(run)
  const source = run.context.stack.sites.find((site) => site.name === run.step.parameters.source)?.name ?? siteOf(run)
  const common = { id: requestId(run), otherwise: run.step.parameters.planned === undefined ? '' : 'empty' }
  if (dump === null) return { ...common, url: '', sha256: '', authorities: '' }
  const { location, open } = run.context.objectStore(run.component.spec.backup.store, source)
  const url = await (await open('read')).presignedGet(`${dump.name}.rdb`, minutes(60))
  return { ...common, url, sha256: dump.sha256, authorities: location.authorities ?? '' }
}

/** Puts the request where the next start finds it, if it was not changed since it was seen. */
async function ask(run: RestoreRun, request: RestoreRequest, seen: AsSeen): Promise<void> {
  const data = Object.fromEntries(
    Object.entries(request).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  )
  const ref = requestRef(run)
  const labels = ownedBy(run.context.stack.name, run.component.name)
  if (seen.resourceVersion === null) {
    const metadata = { name: ref.name, namespace: ref.namespace, labels }
    await kubernetesOf(run).create(
      { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data },
      { signal: run.signal },
    )
  } else await kubernetesOf(run).patch(ref, { metadata: { labels }, data }, ifUnchanged(run, seen))
}

/**
 * Why its pod is refused, as the end of a sentence; empty: it is not. The step reports a refusal and waits until its
 * deadline, because users wait after the point of no return: after a repair by hand the run goes on by itself.
 */
async function whyRefused(run: RestoreRun): Promise<string> {
  const { namespace, name } = run.component.spec
  const set = await kubernetesOf(run).get(
    { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespace, name },
    { signal: run.signal },
  )
  const refused = set === null || set === undefined ? null : await refusedPods(kubernetesOf(run), set, run.signal)
  return refused === null ? '' : `, and its pod is refused: ${refused.why}`
}

const podRef = (run: RestoreRun) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespace: run.component.spec.namespace,
  name: podReference(run.component).name,
})
const requestRef = (run: RestoreRun) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespace: run.component.spec.namespace,
  name: restoreRequest(run.component),
})
const isAsked = (run: RestoreRun, request: KubernetesObject | null): boolean =>
  (request?.data as { readonly id?: string } | undefined)?.id === Buffer.from(requestId(run)).toString('base64')

function dumpOf(run: RestoreRun): DumpReference | null {
  const { planned, dump } = run.step.parameters
  if (planned !== undefined) return planned
  if (dump === '') return null
  const proof = run.proofOf<DumpTaken>({ id: dump })
  if (proof === null) throw new Error(`${run.step.id}: ${dump} left no dump`)
  return proof
}

/**
 * One request per dump, so that a repeated step does not load twice. This volume may have loaded a planned dump before,
 * and have other data since: then there is one request per run.
 */
function requestId(run: RestoreRun): string {
  const dump = dumpOf(run)
  if (dump === null) return `fresh-${run.begunAt}`
  const name = dump.name.split('/').at(-1) ?? dump.name
  return run.step.parameters.planned === undefined ? name : `${name}-${run.begunAt}`
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
