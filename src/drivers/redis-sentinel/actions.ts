import type { AnyAction } from '../../driver/action.ts'
import { dump } from './backup/dump.ts'
import { aim } from './move/aim.ts'
import { catchUp } from './move/catch-up.ts'
import { close, fence, shut } from './move/close.ts'
import { follow } from './move/follow.ts'
import { promote, promoteLost } from './move/promote.ts'
import { settle } from './move/settle.ts'
import { start } from './move/start.ts'
import { unite } from './move/unite.ts'
import type { RedisSentinelSpec } from './spec.ts'

/** Each kind of step of this driver. */
export const actions: readonly AnyAction<RedisSentinelSpec>[] = [
  aim,
  close,
  catchUp,
  promote,
  promoteLost,
  follow,
  settle,
  unite,
  fence,
  shut,
  start,
  dump,
]
