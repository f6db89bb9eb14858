import { declareCodes } from '../../driver/codes.ts'

export const codes = declareCodes('Hosts by Ansible', {
  'ansible-version': 'The version of ansible-core is not one that the driver knows.',
  'ansible-failed': 'Ansible ended with an error that belongs to no host.',
  'playbook-failed': 'A task of a playbook failed. The text names host, task and message.',
  'ansible-host-silent': 'A host that is deployed by Ansible does not answer.',
  'ansible-host-without-python': 'A host that is deployed by Ansible has no Python.',
})
