import type { AcceptedLoss } from '../domain/accepted-loss.ts'
import type { Intent, Mode } from '../domain/plan.ts'
import type { Site, Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/capabilities.ts'
import { inputError, siteError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'
import { damagedError } from '../witness/damage.ts'
import { movedByThemselves } from './moved-by-itself.ts'

/** What is asked for, as it came in. */
export interface MoveRequest {
  readonly mode: Mode
  /**
   * switchover and failover: the new active site; the first declared one that answers, and is not active, where none is
   * named. follow: the site that the data has moved to; where none is named, the one that is seen to have it. rejoin:
   * the site that comes back. reopen: the active site, which is shut.
   */
  readonly to?: string
  /** When given, must be the active site. */
  readonly from?: string
  readonly acceptLoss?: AcceptedLoss
}

/** What of a request is wrong whatever the sites say: judged before any of them is asked. Pure. */
export function refuseImpossible(stack: Stack, request: MoveRequest): void {
  if (request.to !== undefined) declaredSite(stack, request.to)
  else if (request.mode === 'rejoin')
    throw inputError('input-invalid', 'the site that comes back is not named', {
      next: `Name it as to: one of ${namesOf(stack.sites)}.`,
    })
  if (request.from !== undefined) declaredSite(stack, request.from)
  if (request.acceptLoss !== undefined && request.mode !== 'failover')
    throw inputError('input-invalid', `a ${request.mode} loses nothing: accept-data-loss belongs to a failover`, {
      next: 'Leave it out, or ask for mode: failover.',
    })
}

/**
 * The intent of a request: away from the active site, or back to it. While the witness is silent the active site is
 * unknown: the named one, or the first one, is assumed, so that there is a plan to read, which cannot be executed.
 * Throws what the requester can correct.
 */
export function intentOf(
  stack: Stack,
  observation: Observation,
  request: MoveRequest,
  drivers: Readonly<Record<string, Driver>> = {},
): Intent {
  refuseImpossible(stack, request)
  const { witness } = observation
  if (witness.kind === 'damaged') throw damagedError(witness.damage)
  const silent = witness.kind === 'silent'
  const from = silent
    ? declaredSite(stack, request.from ?? stack.initialActive)
    : activeSite(stack, witness.active?.activeSite ?? stack.initialActive)
  const preferredTo = (): Site => {
    if (request.mode === 'reopen') return from
    return request.mode === 'follow'
      ? whereDataIs(stack, observation, from, drivers)
      : preferred(stack, observation, from)
  }
  const to = request.to === undefined ? preferredTo() : declaredSite(stack, request.to)
  if (request.from !== undefined && request.from !== from.name)
    throw inputError(
      'not-the-active-site',
      `${request.from} is not the active site of ${stack.name}: ${from.name} is`,
      {
        next: `Look at standby status: the site may have moved already. To move away from ${from.name}, name it as from, or leave from out.`,
      },
    )
  if (from.name === to.name && silent)
    throw siteError(
      'witness-silent',
      `the witness does not answer: whether ${to.name} is active already is unknown (${witness.why})`,
      {
        next: 'Look at the object store of the witness. To look at a plan meanwhile, name the active site as from.',
      },
    )
  if (request.mode === 'reopen') {
    if (from.name === to.name) return { mode: 'reopen', from: from.name, to: to.name }
    throw inputError('not-the-active-site', `${to.name} is not the active site of ${stack.name}: ${from.name} is`, {
      next: `Only the active site is opened again. To have ${to.name} come back as a passive site: standby failover plan --mode rejoin --to ${to.name}`,
    })
  }
  if (from.name === to.name)
    throw inputError('already-active', `${to.name} is the active site of ${stack.name} already`, {
      next:
        request.mode === 'rejoin'
          ? 'Name the site that should come back as a passive one.'
          : `Nothing needs to be moved. If its guard or a fence has shut it: standby failover plan --mode reopen --to ${to.name} opens it.`,
    })
  const ends = { mode: request.mode, from: from.name, to: to.name }
  return request.acceptLoss === undefined ? ends : { ...ends, acceptLoss: request.acceptLoss }
}

/** The one site that data has moved to by itself. */
function whereDataIs(
  stack: Stack,
  observation: Observation,
  active: Site,
  drivers: Readonly<Record<string, Driver>>,
): Site {
  const moved = movedByThemselves(stack, observation, active.name, drivers)
  const [site, ...others] = new Set(moved.map((one) => one.site))
  if (site !== undefined && others.length === 0) return declaredSite(stack, site)
  const seen = moved.map(({ component, site: to }) => `${component.name} on ${to}`).join(', ')
  throw inputError(
    'nothing-to-follow',
    site === undefined
      ? `no component is seen to have moved from ${active.name} by itself`
      : `the data has moved to several sites: ${seen}`,
    { next: 'Look at standby status. Name the site that everything follows to as to.' },
  )
}

/** The order in which sites are declared says which one is preferred. */
function preferred(stack: Stack, { sites }: Observation, active: Site): Site {
  const found = stack.sites.find(({ name }) => name !== active.name && sites[name]?.kind === 'answering')
  if (found !== undefined) return found
  throw siteError('site-silent', `no site but ${active.name} answers: there is none to move ${stack.name} to`, {
    next: 'Look at standby status.',
  })
}

const namesOf = (sites: readonly Site[]): string => sites.map(({ name }) => name).join(', ')

function activeSite(stack: Stack, name: string): Site {
  const found = stack.sites.find((site) => site.name === name)
  if (found !== undefined) return found
  throw inputError('active-site-undeclared', `the stack file does not declare the active site ${name}`, {
    next: `Declare it under sites again, or name the stack file of this witness. Declared are ${stack.sites.map((site) => site.name).join(', ')}.`,
  })
}

function declaredSite(stack: Stack, name: string): Site {
  const found = stack.sites.find((site) => site.name === name)
  if (found !== undefined) return found
  throw inputError('unknown-site', `${stack.name} has no site ${name}`, {
    next: `Name one of ${stack.sites.map((site) => site.name).join(', ')}.`,
  })
}
