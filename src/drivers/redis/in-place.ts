import type { KubernetesObject, PodReference } from '../../clients/kubernetes-client.ts'
import { asStandbyError, siteError } from '../../errors/standby-error.ts'
import { kubernetesOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { type Milliseconds, minutes } from '../../values/duration.ts'
import { digitsOf } from '../../values/stamp.ts'
import { podReference, TRANSFER } from './manifests.ts'
import {
  DUMP_IN_PLACE,
  FETCH_IN_PLACE,
  LOAD_IN_PLACE,
  STORE_IN_PLACE,
  STORED_IN_PLACE,
  TOO_LATE,
} from './scripts-in-place.ts'
import type { RedisRun } from './spec.ts'

/**
 * The short way, in the running pod of the server: there a dump or its load takes a second, while users wait. The long
 * way, in a pod of its own, takes several seconds, and always works. The functions return false where the short way
 * fails for any reason, and the caller takes the long one.
 */

/** Anything longer is done in a pod of its own, which a lost connection does not end. */
const SHORT: Milliseconds = minutes(1)

/** The request of a restore, and the dump that the server had loaded when it was seen. */
export interface RestoreRequest {
  readonly id: string
  readonly url: string
  readonly sha256: string
  readonly otherwise: string
  /** PEM of the authorities of the store of the address; empty: those of the image. */
  readonly authorities: string
}

/** Whether the dump of this run is stored now. */
export const dumpInPlace = (run: RedisRun): Promise<boolean> =>
  inPlace(run, [
    { container: 'redis', argv: shell(DUMP_IN_PLACE, keyOf(run)) },
    { container: TRANSFER, argv: shell(STORE_IN_PLACE, keyOf(run)) },
  ])

/** The id of the dump of this run, if it was taken the short way. */
export async function storedInPlace(run: RedisRun): Promise<string | null> {
  try {
    const answer = await kubernetesOf(run).exec(container(run, TRANSFER), shell(STORED_IN_PLACE, keyOf(run)), {
      signal: run.signal,
    })
    return answer.stdout.trim() || null
  } catch (error) {
    if (run.signal.aborted || asStandbyError(error).retry !== 'never') throw error
    return null
  }
}

/**
 * Starts the server again with the requested dump, if it still has loaded the dump that was `seen`. True when it has.
 * Throws `kubernetes-conflict` where another dump was loaded since.
 */
export function loadInPlace(run: RedisRun, seen: string, request: RestoreRequest): Promise<boolean> {
  const { id, url, sha256, otherwise } = request
  const authorities = Buffer.from(request.authorities, 'utf8').toString('base64')
  const stdin = [seen, id, url, sha256, otherwise, authorities].map((line) => `${line}\n`).join('')
  return inPlace(run, [
    { container: TRANSFER, argv: shell(FETCH_IN_PLACE), stdin },
    { container: 'redis', argv: shell(LOAD_IN_PLACE), stdin },
  ])
}

/** Whether the deployed pod has what the short way needs. */
export const knowsTheShortWay = (pod: KubernetesObject): boolean =>
  (pod.spec as { readonly containers?: readonly { readonly name: string }[] } | undefined)?.containers?.some(
    ({ name }) => name === TRANSFER,
  ) ?? false

interface Call {
  readonly container: string
  readonly argv: readonly string[]
  readonly stdin?: string
}

async function inPlace(run: RedisRun, calls: readonly Call[]): Promise<boolean> {
  try {
    for (const { container: name, argv, stdin } of calls) {
      const input = stdin === undefined ? {} : { stdin }
      const ended = await kubernetesOf(run).exec(container(run, name), argv, {
        ...input,
        deadline: SHORT,
        signal: run.signal,
      })
      if (ended.code === TOO_LATE)
        throw siteError('kubernetes-conflict', `${run.step.id}: ${ended.stderr.trim()}`, { retry: 'conflict' })
      if (ended.code !== 0) throw new Error(`${name}: ${ended.stderr.trim()}`)
    }
    return true
  } catch (error) {
    if (run.signal.aborted || asStandbyError(error).retry === 'conflict') throw error
    run.context.log.info(
      `${run.step.id}: a pod of its own does it, because the running one could not: ${asStandbyError(error).message}`,
    )
    return false
  }
}

const shell = (script: string, ...argv: readonly string[]): string[] => ['sh', '-c', script, 'sh', ...argv]
const keyOf = (run: RedisRun): string => digitsOf(run.begunAt)
const container = (run: RedisRun, name: string): PodReference => ({ ...podReference(run.component), container: name })
