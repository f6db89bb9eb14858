import type { SiteName } from '../../domain/stack.ts'
import { siteError } from '../../errors/standby-error.ts'
import { askServer } from './ask.ts'
import { codes } from './codes.ts'
import { look, perform } from './run.ts'
import { serverName } from './spec.ts'

/** The replica of a site becomes a primary; nothing is done where it is one. */
export async function promoteServer(run: Parameters<typeof perform>[0], site: SiteName, peer: SiteName): Promise<void> {
  const { component, context, signal } = run
  const { promote } = component.spec
  const looked = await look(run, site)
  if (looked.is === 'seen' && !looked.server.inRecovery) return
  if (promote !== 'sql') return perform(run, { name: 'promote', declared: promote }, site, { peer })
  const answer = await askServer(component, site, ['SELECT pg_promote(false)'], { context, signal, writes: true })
  if (answer.is === 'rows' || answer.state === NOT_IN_RECOVERY) return
  throw siteError(
    answer.state === INSUFFICIENT_PRIVILEGE ? codes.code['rights-missing'] : 'sql-failed',
    `${serverName(component, site)} refuses pg_promote(): ${answer.text} (${answer.state})`,
    {
      retry: MAY_PASS.some((group) => answer.state.startsWith(group)) ? 'transient' : 'never',
      where: serverName(component, site),
      next: `Promote it by hand, or give ${component.spec.user} the right to; then resume the run.`,
    },
  )
}

/** SQLSTATEs, as appendix A of the manual lists them. */
const NOT_IN_RECOVERY = '55000'
const INSUFFICIENT_PRIVILEGE = '42501'
/** No resources, an operator stops or starts the server, the connection is lost. */
const MAY_PASS = ['53', '57', '08']
