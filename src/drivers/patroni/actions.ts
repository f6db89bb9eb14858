import type { AnyAction } from '../../driver/action.ts'
import { fence } from './failover/fence.ts'
import { promoteLost } from './failover/promote-lost.ts'
import { catchUp } from './move/catch-up.ts'
import { checkpoint } from './move/checkpoint.ts'
import { demote } from './move/demote.ts'
import { follow } from './move/follow.ts'
import { promote } from './move/promote.ts'
import { redirect } from './move/redirect.ts'
import type { PatroniSpec } from './spec.ts'

/** Each kind of step of this driver. */
export const actions: readonly AnyAction<PatroniSpec>[] = [
  checkpoint,
  demote,
  catchUp,
  promote,
  follow,
  redirect,
  fence,
  promoteLost,
]
