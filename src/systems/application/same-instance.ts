import type { Check, Sandbox } from '../../domain/restore-test.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import type { ProvedSpec } from './declaration.ts'
import { type InstanceIdentity, identityProblem, identityShown, readIdentity } from './identity.ts'

/**
 * Whether restored data belongs to the instance that the source serves, as a check of a restore test. Read before the
 * application starts: on an empty database it would make itself an instance.
 */
export async function sameInstance(
  component: Component<ProvedSpec>,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<Check> {
  const { identity } = component.spec
  const expected = await readIdentity(identity, source, context).catch((error: unknown) => {
    // The active site may be the lost one: then only an empty database can be recognized.
    context.log.warning(`${component.name}: the identity of ${source} cannot be read: ${asStandbyError(error).message}`)
    return null
  })
  const judged = (outcome: Check['outcome'], found: string): Check => ({
    id: 'same-instance',
    component: component.name,
    outcome,
    expected: expected === null ? 'an instance' : identityShown(expected),
    found,
  })
  let restored: InstanceIdentity | null
  try {
    restored = await readIdentity(identity, sandbox, context)
  } catch (error) {
    // The tables of the application are missing: the database is another one, or empty.
    const reason = asStandbyError(error)
    if (reason.code !== 'sql-failed') throw reason
    return judged('fail', reason.message)
  }
  if (restored === null) return judged('inconclusive', 'nothing: the stack file declares no identity')
  const problem = identityProblem(expected, restored)
  return judged(problem === null ? 'pass' : 'fail', problem ?? identityShown(restored))
}
