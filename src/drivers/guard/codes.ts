import { declareCodes } from '../../driver/codes.ts'

export const codes = declareCodes('The guard of a site', {
  'guard-not-running': 'The guard of a site does not run: after a failover the site would come back open.',
  'guard-stale': 'The guard of a site has not reported for two minutes.',
  'guard-blind':
    'The guard of a site cannot read the witness. It blocks a move to that site, which its guard would close.',
  'guard-closed': 'The guard holds closed what came up as if the site were active.',
  'guard-cannot-close': 'A site has to be closed, and its guard cannot close all of it.',
  'guard-without-time':
    'The stack demands that a failover waits for its guard, and the guard declares no closeAfter: there is no time to wait for.',
  'guard-does-not-start': 'A deploy met what waiting does not mend: a missing image, a pod that ends again and again.',
  'gate-missing':
    'A unit on a machine would start without the leave of the guard: after a boot the site could be open.',
  'guard-not-installed': 'The guard could not be installed on a machine.',
  'guard-program-missing': 'The bundle that guards run was not found beside the running program.',
  'guard-program-too-large': 'The packed bundle does not fit into a ConfigMap.',
})
