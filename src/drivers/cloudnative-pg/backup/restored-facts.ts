import type { KubernetesClient, PodReference } from '../../../clients/kubernetes-client.ts'
import type { Sandbox } from '../../../domain/restore-test.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { countQuery, countsOf } from '../../../systems/postgres/count-rows.ts'
import { minutes } from '../../../values/duration.ts'
import { primaryPod, runSql } from '../objects.ts'
import type { Database } from '../spec.ts'
import { restoredCluster } from './restore-copy.ts'

/** What the restored copy says of itself. */
export interface RestoredFacts {
  readonly inRecovery: boolean
  readonly systemId: string
  readonly timeline: number
  /** Where the recovery ended: the copy's own writes come behind it. */
  readonly recoveredTo: string
  /** null: the table does not exist. */
  readonly counts: Readonly<Record<string, number | null>>
  readonly extensions: readonly string[]
  /** What pg_amcheck found; null where the extension is not installed on the image. */
  readonly corruption: readonly string[] | null
}

/**
 * The last line of the timeline's history file names the position at which the copy left the archive. Its current
 * position says nothing: after a recovery that ended too early it goes on from there, past any mark that is near.
 */
const FACTS = `SELECT 'fact', 'inRecovery', pg_is_in_recovery()::text;
SELECT 'fact', 'systemId', system_identifier::text FROM pg_control_system();
SELECT 'fact', 'timeline', timeline_id::text FROM pg_control_checkpoint();
SELECT 'fact', 'recoveredTo', split_part(line, E'\\t', 2)
  FROM pg_control_checkpoint(),
       regexp_split_to_table(pg_read_file('pg_wal/' || upper(lpad(to_hex(timeline_id), 8, '0')) || '.history'), E'\\n') WITH ORDINALITY AS history(line, number)
  WHERE line ~ '^[0-9]' ORDER BY number DESC LIMIT 1;
SELECT 'extension', extname || ' ' || extversion, '' FROM pg_extension;`

/** Asks the restored copy; the only thing that is written to it is the extension amcheck. */
export async function askCopy(
  component: Database,
  sandbox: Sandbox,
  tables: readonly string[],
  context: DriverContext,
): Promise<RestoredFacts> {
  const kubernetes = context.kubernetes(sandbox.site)
  const pod = await primaryPod(kubernetes, sandbox.namespace, restoredCluster(component), context.signal)
  const { database } = component.spec
  const rows = await runSql(kubernetes, pod, database, `${FACTS}\n${countQuery(tables)}`, context.signal)
  const fact = (name: string): string => rows.find((row) => row[0] === 'fact' && row[1] === name)?.[2] ?? ''
  return {
    inRecovery: fact('inRecovery') !== 'false',
    systemId: fact('systemId'),
    timeline: Number(fact('timeline')),
    recoveredTo: fact('recoveredTo'),
    counts: countsOf(rows),
    extensions: rows.filter((row) => row[0] === 'extension').map((row) => row[1] ?? ''),
    corruption: await checkIndexes(kubernetes, pod, database, context),
  }
}

/** Exit code 2: corruption was found; 1: it could not look. */
async function checkIndexes(
  kubernetes: KubernetesClient,
  pod: PodReference,
  database: string,
  context: DriverContext,
): Promise<readonly string[] | null> {
  const argv = ['pg_amcheck', '-U', 'postgres', '--install-missing', '--heapallindexed', `--database=${database}`]
  const answer = await kubernetes.exec(pod, argv, { deadline: minutes(30), signal: context.signal })
  if (answer.code === 0) return []
  const lines = `${answer.stdout}\n${answer.stderr}`.split('\n').filter((line) => line.trim() !== '')
  if (answer.code === 2) return lines.slice(0, 5)
  context.log.debug(`amcheck is not available: ${lines[0] ?? `exit code ${answer.code}`}`)
  return null
}
