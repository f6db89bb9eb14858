import { declareCodes } from '../../driver/codes.ts'
import { TRAFFIC_CODES } from '../../systems/traffic/codes.ts'

export const codes = declareCodes('Traffic', {
  ...TRAFFIC_CODES,
  'load-balancer-refused': 'A load balancer refuses a command.',
  'load-balancer-unreadable': 'A load balancer answers with something else than expected.',
  'load-balancer-map-unwritable': 'The map file cannot be written: a reload would undo the switch.',
  'backend-down': 'The backend of a site is down.',
  'backend-missing': 'The backend of a site is not configured.',
})
