import { acceptedLossInput } from '../domain/accepted-loss.ts'
import type { Intent } from '../domain/plan.ts'

/** The command that plans the same move anew: with its mode, its target and the loss that was accepted. Pure. */
export const planCommand = ({ mode, to, acceptLoss }: Intent): string =>
  `standby failover plan --mode ${mode} --to ${to}${acceptLoss === undefined ? '' : ` --accept-data-loss ${acceptedLossInput(acceptLoss)}`}`
