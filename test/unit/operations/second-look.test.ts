import { describe, expect, test } from '@jest/globals'
import type { World } from '../../../src/composition/connect.ts'
import type { Finding } from '../../../src/domain/plan.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { AnyReasonCode } from '../../../src/errors/reason-codes.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { toyCode } from '../../support/toy-codes.ts'
import { deployedToy, toyApproval, toyDriver, toyWorld } from '../../support/toy-stack.ts'

/** What one look at the stack shows otherwise than it is. */
interface Look {
  readonly seen?: (really: Observation) => Observation
  readonly blocker?: AnyReasonCode
  /** Its driver says that something did not answer. */
  readonly unanswered?: true
}

/** An approved switchover is executed, whose first looks at the stack are these. */
async function executed(...looks: readonly Look[]) {
  const { toy, store } = await deployedToy()
  let taken = 0
  const found = (): Finding[] => {
    const { blocker: code, unanswered } = looks[taken - 1] ?? {}
    if (code === undefined) return []
    const marked = unanswered === true ? { unanswered: true as const } : {}
    return [{ code, severity: 'blocker', component: 'database', site: 'dc-b', what: code, ...marked }]
  }
  const driver = {
    ...toyDriver(toy),
    assess: ({ name }: { readonly name: string }) => (name === 'database' ? found() : []),
  }
  const world = toyWorld(toy, store, { driver })
  const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
  const looking: World = {
    ...world,
    observe: async () => {
      const really = await world.observe()
      const look = looks[taken++]
      return look?.seen?.(really) ?? really
    },
  }
  const { verdict, failure } = await executeFailover(looking, plan, toyApproval(digest))
  return { verdict, code: failure?.code ?? null, where: failure?.where, looks: taken, moved: toy.effects.length > 0 }
}

const silent = { kind: 'silent', why: 'no answer within 3.0 s' } as const
const silentAt = (site: SiteName): Look => ({
  seen: (really) => ({
    ...really,
    sites: { ...really.sites, [site]: { ...silent, cause: 'no-answer', triedFrom: ['this runner'] } },
    components: Object.fromEntries(
      Object.entries(really.components).map(([name, bySite]) => [name, { ...bySite, [site]: silent }]),
    ),
  }),
})
const witnessSilent: Look = { seen: (really) => ({ ...really, witness: silent }) }
const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const elsewhere: Look = {
  seen: (really) => {
    const { [A]: atA, [B]: atB } = really.components.database ?? {}
    if (atA === undefined || atB === undefined) throw new Error('the database was not observed')
    return { ...really, components: { ...really.components, database: { [A]: atB, [B]: atA } } }
  },
}
const moved = { verdict: 'moved', code: null, moved: true }

describe('before an approved plan is refused', () => {
  test.each<[string, Look]>([
    ['the active site, which no signal shows alive then', silentAt(A)],
    ['the passive site', silentAt(B)],
    ['the witness', witnessSilent],
    ['an instance of a database whose facts are all to be seen', { blocker: toyCode['not-well'], unanswered: true }],
  ])('who did not answer in time is heard once more: %s', async (_, look) => {
    expect(await executed(look)).toMatchObject({ ...moved, looks: 2 })
  })

  test('a component whose object is absent for a moment is looked at once more: the facts that it had are missing', async () => {
    const absentAt = (site: SiteName): Look => ({
      seen: (really) => ({
        ...really,
        components: {
          ...really.components,
          database: { ...really.components.database, [site]: { kind: 'absent', why: 'there is no such object' } },
        },
      }),
      // As the drivers of a cache and of an application say it: it answered, so it is not called unanswered.
      blocker: toyCode['not-well'],
    })
    expect(await executed(absentAt(B))).toMatchObject({ ...moved, looks: 2 })
    expect(await executed(absentAt(B), absentAt(B))).toMatchObject({ verdict: 'refused', looks: 2, moved: false })
  })

  test('a site that stays silent is not asked a third time', async () => {
    expect(await executed(silentAt(B), silentAt(B))).toMatchObject({
      verdict: 'refused',
      code: 'plan-stale',
      looks: 2,
      moved: false,
    })
  })

  test('the second look is the one that counts', async () => {
    expect(await executed(silentAt(B), { blocker: toyCode['not-well'] })).toMatchObject({
      verdict: 'refused',
      code: 'not-well',
      looks: 2,
      moved: false,
    })
  })

  test.each<[string, Look, string]>([
    ['what was said has changed', elsewhere, 'plan-stale'],
    ['a component reports a blocker', { blocker: toyCode['not-well'] }, 'not-well'],
  ])('no site is asked again where %s', async (_, look, code) => {
    expect(await executed(look)).toMatchObject({ verdict: 'refused', code, looks: 1, moved: false })
  })

  test('a refusal names the place of what stands against the plan, where it has one', async () => {
    expect(await executed({ blocker: toyCode['not-well'] })).toMatchObject({
      code: 'not-well',
      where: 'dc-b database',
    })
    expect(await executed(witnessSilent, witnessSilent)).toMatchObject({ code: 'witness-silent', where: null })
  })

  test('a plan that holds is executed after one look', async () => {
    expect(await executed()).toMatchObject({ ...moved, looks: 1 })
  })
})
