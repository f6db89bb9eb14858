import { declareCodes } from '../../driver/codes.ts'
import { TRAFFIC_CODES } from '../../systems/traffic/codes.ts'

/** The reason codes that this driver alone uses. */
export const codes = declareCodes('Consul', {
  ...TRAFFIC_CODES,
  'consul-silent': 'No Consul server of a site answers.',
  'consul-no-leader': 'A Consul datacenter has no leader: it takes no write.',
  'consul-unreachable-datacenter':
    'A Consul datacenter cannot be reached through another one, which proves nothing of it.',
  'consul-failed': 'Consul fails at a request.',
  'consul-refused': 'Consul refuses a request: the token does not exist, or lacks a right.',
  'consul-rejected': 'Consul does not take a request as it is.',
  'consul-other-datacenter': 'A Consul server belongs to another datacenter than the declared one.',
  'consul-other-primary': 'The primary datacenter of Consul is another one than the declared one.',
  'consul-members-lost': 'Consul of one site has lost servers of another one over the WAN.',
  'consul-views-differ': 'The sites do not agree on which Consul datacenters live.',
  'consul-not-joined': 'A Consul datacenter does not know another one: they are not joined over the WAN.',
  'consul-unhealthy': 'Consul itself says that a server of a datacenter is not healthy.',
  'consul-no-tolerance': 'A Consul datacenter has no leader any more when one more server fails.',
  'consul-versions-differ': 'The Consul datacenters run different versions.',
  'consul-certificate-expires': 'A certificate of Consul expires soon, or has expired.',
  'consul-token-expires': 'The ACL token of Consul expires soon.',
  'consul-rights-missing': 'The ACL token may not see all that it is asked for: what is missing is unknown.',
  'consul-service-down': 'A watched service has no passing instance at a site.',
  'consul-query-differs': 'A prepared query is another one than a deploy writes.',
  'consul-redirect-out-of-reach':
    'A redirect of the mesh cannot be changed while the primary Consul datacenter is lost.',
  'consul-no-mesh-gateway': 'A Consul datacenter has no mesh gateway, or none that passes its checks.',
  'consul-mesh-gateway-down': 'A mesh gateway does not pass its checks.',
  'consul-snapshot-damaged': 'The description of a snapshot of Consul is not what a backup writes.',
  'consul-no-snapshot': 'There is no snapshot of Consul.',
  'consul-snapshot-old': 'The last snapshot of Consul is older than the objective.',
  'consul-snapshots-unreadable': 'The snapshots of Consul cannot be listed.',
})
