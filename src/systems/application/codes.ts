/** Reason codes of every driver of an application: a driver declares them together with its own. */
export const APPLICATION_CODES = {
  'application-silent': 'The application of a site cannot be read.',
  'application-refuses': 'The application refuses to start on the restored copy.',
  'another-instance': 'The application serves another instance than before the move.',
  'instance-without-identity': 'The database names no instance: it is empty.',
  'canary-fails':
    'The canary fails while its doors are still open: its client secret was revoked, or it may not read the secret. A move would stop after its point of no return.',
  'canary-unknown':
    'The canary could not be tried beforehand: its site is lost, or this process has not its credentials or rights.',
  'canary-wrong':
    "The canary secret does not decrypt, or decrypts to something else: the site's key does not open this data.",
  'secret-differs': 'A secret that all sites must share differs between them.',
} as const
