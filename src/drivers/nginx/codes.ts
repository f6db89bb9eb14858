import { declareCodes } from '../../driver/codes.ts'
import { TRAFFIC_CODES } from '../../systems/traffic/codes.ts'

export const codes = declareCodes('Traffic', {
  ...TRAFFIC_CODES,
  'nginx-unreadable': 'NGINX, or the host that it runs on, answers with something else than expected.',
  'nginx-file-unwritable': 'The file that leads the traffic cannot be written.',
  'nginx-refused': 'NGINX refuses its configuration, and the file is as it was; or it refuses to read it again.',
})
