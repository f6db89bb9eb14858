import type { Milliseconds } from '../duration.ts'
import { inputError } from '../errors.ts'
import type { Observation } from '../observation/observation.ts'
import type { Site, Stack } from '../stack/stack.ts'
import type { Intent, Mode } from './plan.ts'

/** What is asked for, as it came in. */
export interface MoveRequest {
  readonly mode: Mode
  /** switchover and failover: the new active site. rejoin: the site that comes back. */
  readonly to: string
  /** When given, must be the active site. */
  readonly from?: string
  readonly acceptLoss?: Milliseconds
}

/** The intent behind a request: away from the active site, or back to it. Throws what the requester can mend. */
export function intentOf(stack: Stack, observation: Observation, request: MoveRequest): Intent {
  const to = declaredSite(stack, request.to)
  const activeSite = observation.witness.kind === 'answering' ? observation.witness.active?.activeSite : undefined
  const from = stack.sites.find((site) => site.name === (activeSite ?? stack.initialActive))
  if (from === undefined)
    throw inputError('active-site-undeclared', `the stack file does not declare the active site ${activeSite}`, {
      next: `Declare it under sites again, or name the stack file of this witness. Declared are ${stack.sites.map(({ name }) => name).join(', ')}.`,
    })
  if (request.from !== undefined && request.from !== from.name)
    throw inputError('not-the-active-site', `${request.from} is not the active site of ${stack.name}: ${from.name} is`, {
      next: `Look at standby status: the site may have moved already. To move away from ${from.name}, name it as from, or leave from out.`,
    })
  if (from.name === to.name)
    throw inputError('already-active', `${to.name} is the active site of ${stack.name} already`, {
      next: request.mode === 'rejoin' ? 'Name the site that should come back as a passive one.' : 'Nothing needs to be done.',
    })
  if (request.acceptLoss !== undefined && request.mode !== 'failover')
    throw inputError('input-invalid', `a ${request.mode} loses nothing: accept-data-loss belongs to a failover`, {
      next: 'Leave it out, or ask for mode: failover.',
    })
  const ends = { mode: request.mode, from: from.name, to: to.name }
  return request.acceptLoss === undefined ? ends : { ...ends, acceptLoss: request.acceptLoss }
}

function declaredSite(stack: Stack, name: string): Site {
  const found = stack.sites.find((site) => site.name === name)
  if (found !== undefined) return found
  throw inputError('unknown-site', `${stack.name} has no site ${name}`, {
    next: `Name one of ${stack.sites.map((site) => site.name).join(', ')}.`,
  })
}
