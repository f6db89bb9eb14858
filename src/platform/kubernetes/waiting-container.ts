/** What a container waits for, in the kubelet's words. */
export interface WaitingContainer {
  readonly reason?: string
  readonly message?: string
}

const HOPELESS = new Set(['CreateContainerConfigError', 'ErrImageNeverPull', 'ImagePullBackOff', 'InvalidImageName'])

/**
 * The kubelet gives a Secret that does not exist the same reason as one that its cache has not brought yet, just after
 * its start or on a busy node, and in both cases tries again by itself (manager/watch_based_manager.go, Get).
 */
const LATE = /failed to sync (secret|configmap) cache/

/** Whether waiting does not mend it: a missing Secret or image. */
export const isHopeless = ({ reason = '', message = '' }: WaitingContainer): boolean =>
  HOPELESS.has(reason) && !LATE.test(message)

/**
 * The same with its reason, of what has nothing to wait for itself, so that one crash after another is hopeless too;
 * null where it may come.
 */
export function reasonItCannotStart(waiting: WaitingContainer | undefined): string | null {
  if (waiting === undefined || !(isHopeless(waiting) || waiting.reason === 'CrashLoopBackOff')) return null
  return `${waiting.reason}${waiting.message === undefined ? '' : ` (${waiting.message})`}`
}
