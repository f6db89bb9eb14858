import type { Fact } from '../../domain/fact.ts'
import type { Observed } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { parseLsn } from '../../systems/postgres/wal.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { lookAt } from './ask.ts'
import type { ServerState } from './facts.ts'
import type { Database } from './spec.ts'

/** Less than an observation may take: a server that does not answer must not silence the rest. */
const OBSERVED_WITHIN: Milliseconds = seconds(2.5)

export async function observeServer(
  component: Database,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<ServerState>> {
  const looked = await lookAt(component, site, { context, signal: context.signal, deadline: OBSERVED_WITHIN })
  return looked.is === 'seen' ? summarized(looked.server) : { kind: 'silent', why: looked.why }
}

export function summarized(server: ServerState): Extract<Observed<ServerState>, { readonly kind: 'answering' }> {
  const follows =
    server.receiver === null ? 'receives nothing' : `${server.receiver.status} from ${server.receiver.host}`
  const position = server.inRecovery ? server.replayLsn : server.currentLsn
  return {
    kind: 'answering',
    state: server,
    role: server.inRecovery ? 'passive' : 'active',
    health: isWell(server) ? 'healthy' : 'degraded',
    text: `${server.inRecovery ? `replica, ${follows}` : 'primary'}, timeline ${server.timeline}, ${position ?? 'no position'}, PostgreSQL ${versionText(server.version)}`,
    facts: factsOf(server),
  }
}

const isWell = ({ inRecovery, receiver, replayPaused, archiver }: ServerState): boolean =>
  inRecovery ? receiver !== null && !replayPaused : !archiver.failing

/** 150020 is 15.20. */
export const versionText = (version: number): string => `${Math.floor(version / 10_000)}.${version % 10_000}`

/** What a replica has received and not replayed; 0 on a primary. */
export function toReplay({ inRecovery, receivedLsn, replayLsn }: ServerState): number {
  const [received, replayed] = [parseLsn(receivedLsn), parseLsn(replayLsn)]
  return !inRecovery || received === null || replayed === null || received <= replayed ? 0 : Number(received - replayed)
}

/** A replica replays so much within a switchover's patience. */
export const FARTHEST_BYTES = 256 * 1024 * 1024

/** Which server is the primary, on which timeline of which history: a plan holds only while none of them changes. */
function factsOf(server: ServerState): Fact[] {
  return [
    { name: 'system id', value: server.systemId, binds: 'exactly' },
    { name: 'in recovery', value: server.inRecovery, binds: 'exactly' },
    // A replica's moves on by itself when its primary's does, and it may be read late.
    ...(server.inRecovery ? [] : [{ name: 'timeline', value: server.timeline, binds: 'exactly' } as const]),
    ...(server.inRecovery
      ? [
          {
            name: 'to replay',
            value: toReplay(server),
            binds: 'at-most',
            limit: FARTHEST_BYTES,
            unit: 'bytes',
            only: 'switchover',
          } as const,
        ]
      : []),
  ]
}
