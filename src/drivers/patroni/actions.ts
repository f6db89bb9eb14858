import type { AnyAction } from '../../driver/action.ts'
import { backup } from './backup/base-backup.ts'
import { manifest } from './backup/manifest.ts'
import { fence } from './failover/fence.ts'
import { promoteLost } from './failover/promote-lost.ts'
import { catchUp } from './move/catch-up.ts'
import { checkpoint } from './move/checkpoint.ts'
import { demote } from './move/demote.ts'
import { follow } from './move/follow.ts'
import { promote } from './move/promote.ts'
import { redirect } from './move/redirect.ts'
import { enroll } from './rejoin/enroll.ts'
import { keepEvidence } from './rejoin/keep-evidence.ts'
import { start } from './rejoin/start.ts'
import { wipe } from './rejoin/wipe.ts'
import { unfence } from './reopen.ts'
import type { PatroniSpec } from './spec.ts'
import { handOver } from './stretched/hand-over.ts'
import { lockHeld } from './stretched/lock-held.ts'

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
  keepEvidence,
  enroll,
  wipe,
  start,
  unfence,
  handOver,
  lockHeld,
  backup,
  manifest,
]
