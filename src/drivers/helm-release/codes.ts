import { declareCodes } from '../../driver/codes.ts'

export const codes = declareCodes('Application', {
  'application-silent': 'The application of a site cannot be read.',
  'application-not-ready': 'Not all replicas are ready.',
  'application-refuses': 'The application refuses to start on the restored copy.',
  'another-instance': 'The application serves another instance than before the move.',
  'instance-without-identity': 'The database names no instance: it is empty.',
  'canary-fails':
    'The canary fails while its doors are still open: its client secret was revoked, or it may not read the secret. A move would stop after its point of no return.',
  'canary-unknown':
    'The canary could not be tried beforehand: its site is lost, or this process has not its credentials or rights.',
  'canary-wrong':
    "The canary secret does not decrypt, or decrypts to something else: the site's key does not open this data.",
  'image-differs': 'The sites run different images.',
  'secret-differs': 'A Secret that all sites must share differs between them.',
  'helm-failed': 'helm ended with an error.',
  'release-pending': 'An interrupted helm run left the release pending.',
  'replicas-not-of-role':
    'The application has no replicas on the active site, or runs on a passive one where another manager has scaled it.',
  'workloads-not-moved': 'A release runs more than its declared workload: no move stops that, and no fence shuts it.',
  'image-missing':
    'A node of the new site cannot pull an image of the application. Nothing was changed, users are served.',
  'rollout-failed': 'A rollout failed; the text has the true reason.',
})
