import type { SiteName, Stack } from '../domain/stack.ts'
import { inputError, siteError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'
import { damagedError } from '../witness/damage.ts'

/**
 * The declared site that the witness calls active; null before the first deploy. Throws `witness-silent`,
 * `witness-damaged` and `active-site-undeclared`.
 */
export function namedActiveSite({ sites }: Stack, { witness }: Observation): SiteName | null {
  if (witness.kind === 'silent')
    throw siteError('witness-silent', `the witness does not answer: ${witness.why}`, { next: 'Nothing was changed.' })
  if (witness.kind === 'damaged') throw damagedError(witness.damage)
  if (witness.active === null) return null
  const named = witness.active.activeSite
  const site = sites.find(({ name }) => name === named)
  if (site !== undefined) return site.name
  throw inputError(
    'active-site-undeclared',
    `the witness says that ${named} is active, and the stack file does not declare it`,
    {
      next: 'Declare it under sites again, or name the stack file of this witness. Nothing was changed.',
    },
  )
}

/** The site whose backups count. Throws `never-deployed` as well. */
export function activeSiteOf(stack: Stack, observation: Observation): SiteName {
  const site = namedActiveSite(stack, observation)
  if (site !== null) return site
  throw inputError('never-deployed', `${stack.name} was never deployed: the witness knows no active site`, {
    next: 'Run the first deploy. Nothing was changed.',
  })
}
