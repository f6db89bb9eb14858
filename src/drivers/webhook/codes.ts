import { declareCodes } from '../../driver/codes.ts'

export const codes = declareCodes('Traffic by declared calls', {
  'routing-unknown': 'What routes the traffic gives no answer, or one that names no declared site.',
  'routing-elsewhere': 'Users are sent to another site than the active one, or to none.',
  'routing-refused': 'What routes the traffic refuses the declared call.',
})
