import type { SiteDriver } from '../../driver/capabilities.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { codes } from './codes.ts'
import { deployHosts } from './deploy.ts'
import { missingFiles } from './missing-files.ts'
import { type AnsibleState, assessStatus, observeHosts } from './observe.ts'
import { type AnsibleSpec, ansibleSchema, credentialUses, playbookProblems } from './spec.ts'

/** Hosts of all sites, deployed by playbooks of the user. A move asks nothing of it. */
export const ansible: SiteDriver<AnsibleSpec, AnsibleState> = {
  kind: 'ansible',
  scope: 'site',
  standsOn: HOSTS.platform,
  schema: ansibleSchema,
  codes,
  claims: ({ spec: { playbook, tags = [] } }) => [
    { key: ['ansible', playbook, ...[...tags].sort()].join(' '), path: ['playbook'] },
  ],
  validate: playbookProblems,
  fileProblems: missingFiles,
  credentials: credentialUses,
  // What an identity may do on a host is what the user may do that logs in there.
  access: () => [],
  observe: observeHosts,
  assess: { status: assessStatus },
  deploys: { deploy: deployHosts },
  actions: [],
}
