import { declareCodes } from '../../driver/codes.ts'
import { REDIS_CODES } from '../../systems/redis/codes.ts'

export const codes = declareCodes('Cache', {
  ...REDIS_CODES,
  'active-cache-missing':
    'The active site has neither its cache nor the volume of it, and dumps of it exist: no deploy makes an empty one in its place.',
  'cache-silent': 'The cache of a site cannot be read.',
  'cache-not-answering': 'The server does not answer.',
  'cache-not-ready': 'The server is not ready.',
  'cache-password-unusable':
    'The password is empty, or ends with a line break, or holds a control character: refused before anything is declared.',
  'cache-does-not-start': 'The server does not start.',
  'cache-image-differs': 'The sites run different images.',
  'cache-restore-failed': 'The dump could not be loaded.',
  'cache-keys-missing': 'Fewer keys were loaded than the dump has.',
})
