import type { Finding } from '../../../domain/plan.ts'
import type { Say } from '../codes.ts'
import type { CloudNativePgState } from '../observe.ts'

/** What keeps one cluster from serving, or this driver from judging it. Pure. */
export function ofSettings(
  { cluster, instances, settings }: CloudNativePgState,
  severity: 'warning' | 'blocker',
  say: Say,
): Finding[] {
  const { synchronous } = settings
  const found: Finding[] = []
  if (synchronous > instances - 1)
    found.push(
      say(
        'synchronous-too-few',
        severity,
        `${cluster} waits for ${synchronous} synchronous standbys at each commit, and has ${instances} instances: as a primary it would accept no write`,
        `Declare instances: ${synchronous + 1} or more, or postgresql.synchronous with dataDurability: preferred, and deploy.`,
      ),
    )
  return found
}

/** Without it no position follows from the name of a file in an archive. Pure. */
export const segmentsUnknown = (say: Say, severity: 'warning' | 'blocker', cluster: string): Finding =>
  say(
    'wal-segments-unknown',
    severity,
    `it is not known how long the WAL segments of ${cluster} are (no site says, or the sites contradict each other): how far behind it is, is unknown`,
    'Let the API server reach port 9187 of its pods, as it reaches 8000 (kubectl get --raw …/pods/http:<pod>:9187/proxy/metrics), and look again.',
  )

/** What keeps one cluster from following another one, or from serving in its place. Pure. */
export function ofSettingsOfPair(
  from: CloudNativePgState,
  to: CloudNativePgState,
  severity: 'warning' | 'blocker',
  say: Say,
): Finding[] {
  const [source, target] = [from.settings, to.settings]
  const found: Finding[] = []
  const versions =
    source.version !== null && target.version !== null ? { old: source.version, next: target.version } : null
  if (versions !== null && versions.old.major !== versions.next.major)
    found.push(
      say(
        'database-version-differs',
        severity,
        `${to.cluster} is declared with PostgreSQL ${versions.next.major}, ${from.cluster} with ${versions.old.major}: one cannot follow the other`,
        'Finish the major upgrade on the active site, then rejoin the others: they are cloned anew.',
      ),
    )
  else if (
    versions !== null &&
    versions.old.minor !== null &&
    versions.next.minor !== null &&
    versions.next.minor < versions.old.minor
  )
    found.push(
      say(
        'database-version-older',
        'warning',
        `${to.cluster} runs PostgreSQL ${versions.next.major}.${versions.next.minor}, ${from.cluster} ${versions.old.major}.${versions.old.minor}: after a move its fixes are gone`,
        'Deploy the newer minor version everywhere first.',
      ),
    )
  if (from.operator !== null && to.operator !== null && from.operator !== to.operator)
    found.push(
      say(
        'operators-differ',
        'warning',
        `CloudNativePG is ${to.operator} under ${to.cluster}, and ${from.operator} under ${from.cluster}`,
        'Bring both to the same version: the active site first, since metrics of 1.29.1 and newer need a role that replicas get from there.',
      ),
    )
  const lower = Object.entries(source.atLeast).filter(([name, value]) => (target.atLeast[name] ?? value) < value)
  for (const [name, value] of lower)
    found.push(
      say(
        'replica-setting-lower',
        'warning',
        `${name} of ${to.cluster} is ${target.atLeast[name]}, of ${from.cluster} ${value}: a replica that has less stops replaying`,
        `Declare the same for all sites, and deploy.`,
      ),
    )
  return found
}
