/** Reason codes of every kind of Redis that is dumped: a driver declares them together with its own. */
export const REDIS_CODES = {
  'dump-failed': 'A dump could not be taken.',
  'dump-missing': 'A dump that was taken is not in the object store.',
  'dump-old': 'The last dump is older than the objective.',
  'dumps-unreadable': 'The dumps cannot be listed.',
  'no-dump': 'There is no dump.',
} as const
