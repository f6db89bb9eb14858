import { declareCodes } from '../../driver/codes.ts'

export const codes = declareCodes('Object storage', {
  'object-store-silent': 'The bucket of a site could not be observed.',
  'object-store-unversioned': 'The bucket keeps no versions.',
})
