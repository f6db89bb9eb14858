import { declareCodes } from '../../driver/codes.ts'
import { APPLICATION_CODES } from '../../systems/application/codes.ts'

export const codes = declareCodes('Application', {
  ...APPLICATION_CODES,
  'application-not-ready': 'Not all replicas are ready.',
  'image-differs': 'The sites run different images.',
  'helm-failed': 'helm ended with an error.',
  'release-pending': 'An interrupted helm run left the release pending.',
  'replicas-not-of-role':
    'The application has no replicas on the active site, or runs on a passive one where another manager has scaled it.',
  'workloads-not-moved': 'A release runs more than its declared workload: no move stops that, and no fence shuts it.',
  'image-missing':
    'A node of the new site cannot pull an image of the application. Nothing was changed, users are served.',
  'rollout-failed': 'A rollout failed; the text has the true reason.',
})
