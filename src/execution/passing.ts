/** Failures that may be over in a moment. An effect that ended so may have happened: it is observed, then tried again. */
const PASSING: ReadonlySet<string> = new Set([
  'site-unreachable',
  'kubernetes-timeout',
  'kubernetes-conflict',
  'object-store-unreachable',
  'ssh-unreachable',
  'load-balancer-unreadable',
  'process-timeout',
])

export const isPassing = (code: string): boolean => PASSING.has(code)
