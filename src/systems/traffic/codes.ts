/** Reason codes of every kind of load balancer: a driver declares them together with its own. */
export const TRAFFIC_CODES = {
  'load-balancer-silent': 'A load balancer does not answer.',
  'load-balancer-lost':
    'A load balancer that stands in the lost site does not answer; the failover goes on without it.',
  'load-balancer-key-missing': 'The map has no key for the stack.',
  'load-balancer-half-switched': 'The load balancers, or a map and its file, name different sites.',
  'traffic-elsewhere': 'The traffic goes to another site than the active one.',
} as const
