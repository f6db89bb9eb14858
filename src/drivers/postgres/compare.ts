import type { Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Check } from '../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { runningFor } from '../../driver/running-for.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
import type { OfFollower } from './follow.ts'
import { type Relation, relationTo } from './relation.ts'
import { type DatabaseRun, look, siteNamed, siteOf } from './run.ts'
import { byHandCompare } from './runbook.ts'
import { type Database, type PostgresSpec, serverName } from './spec.ts'

interface Compared extends Proof {
  /** What only the former primary has, as reports show it: intervals, an upper end of null is not known. */
  readonly found: JsonObject
}

/** What only the former primary has is written down before it goes: in bytes, by positions. */
export const compareStep = (component: Database, { from, to }: Intent): DriverStep<OfFollower> =>
  planStep(compare, to, {
    phase: 'PREPARE',
    title: `Compares the histories of ${serverName(component, to)} and ${serverName(component, from)}, and writes down what only the former has`,
    deadline: seconds(60),
    expected: seconds(1),
    parameters: { server: serverName(component, to), primary: serverName(component, from), peer: from },
  })

/** A former primary that does not answer is made anew all the same. */
const PATIENCE: Milliseconds = seconds(15)

const comparing: Check<PostgresSpec, OfFollower, Compared> = {
  is: 'check',
  async done(run) {
    const { server: name, primary: primaryName, peer } = run.step.parameters
    const other = await look(run, siteOf(run))
    const primary = await look(run, siteNamed(run, peer))
    if (primary.is === 'unknown') return { is: 'unknown', why: `${primaryName} cannot be asked: ${primary.why}` }
    if (other.is === 'unknown')
      return isGivenUp(run)
        ? { is: 'done', proof: { found: found([0, null], [0, null], `${name} gives no answer: ${other.why}`) } }
        : { is: 'unknown', why: `${name} cannot be asked: ${other.why}` }
    return { is: 'done', proof: { found: foundBy(relationTo(primary.server, other.server, 'other-first'), name) } }
  },
}

const isGivenUp = (run: DatabaseRun<OfFollower>): boolean => runningFor(run) >= PATIENCE

function foundBy(relation: Relation, name: string): JsonObject {
  if (relation.is === 'copy') return found([0, 0], [0, 0], `${name} has nothing that the primary lacks`)
  if (relation.is === 'another-database') return found([0, null], [0, null], `${name} is another database`)
  const { bytes, why } = relation
  return found(bytes, [0, bytes[1] === 0 ? 0 : null], `${name}: ${why}`)
}

const found = (
  bytes: readonly [number, number | null],
  counts: readonly [number, number | null],
  why: string,
): JsonObject => ({
  bytes: [...bytes],
  rows: [...counts],
  commits: [...counts],
  tables: [],
  firstCommitAt: null,
  lastCommitAt: null,
  why,
})

export const compare: Action<PostgresSpec, OfFollower, Compared> = {
  name: 'compare',
  parameters: parametersOf<OfFollower>({ server: TEXT, primary: TEXT, peer: TEXT }),
  behaviour: comparing,
  byHand: byHandCompare,
}
