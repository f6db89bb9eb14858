import type { CredentialUse } from '../../domain/identities.ts'
import { EVERYWHERE, type Observed } from '../../domain/observed.ts'
import type { Finding } from '../../domain/plan.ts'
import type { CredentialReference } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Driver } from '../../driver/driver.ts'
import { seconds } from '../../values/duration.ts'
import { ask } from './call.ts'
import { manualStep } from './runbook.ts'
import { type Call, type CommandSpec, callsOf, commandSchema, type PowerControl, timeoutOf } from './spec.ts'
import { switchOff, switchOffStep } from './switch-off.ts'

/** What the power control says of each site; null: it gave no answer. */
export interface PowerState {
  readonly off: Readonly<Record<string, { readonly off: boolean | null; readonly text: string }>>
}

/**
 * Power or network of the sites, behind a program or a webhook of the user: the fence that needs nothing of the lost
 * site.
 */
export const command: Driver<CommandSpec, PowerState> = {
  kind: 'command',
  scope: 'stack',
  schema: commandSchema,
  claims: () => [],
  reaches: () => ['power'],
  access: () => [],
  credentials: credentialUses,
  addresses: ({ spec }) => Object.values(spec.sites).flatMap(({ isOff }) => ('post' in isOff ? [isOff.post] : [])),
  observe: (component, _site, context) => observePower(component, context),
  move: (component, _states, intent) => (intent.mode === 'failover' ? [switchOffStep(component, intent)] : []),
  // Power that is on says nothing of the machines behind it.
  sees(component, states, site) {
    const seen = states[EVERYWHERE]
    const one = seen?.kind === 'answering' ? seen.state.off[site] : undefined
    return one?.off === true
      ? [{ from: `power control ${component.name}`, says: 'down', what: `it is switched off (${one.text})` }]
      : []
  },
  assess(component, states, intent, assessment) {
    const seen = states[EVERYWHERE]
    if (seen?.kind !== 'answering') return []
    return assessment.stack.sites.flatMap(({ name: site }): Finding[] => {
      const one = seen.state.off[site]
      if (one === undefined || one.off === false) return []
      const at = { component: component.name, site }
      if (one.off === null)
        return [
          {
            ...at,
            // Whoever only looks may not have its credentials; whoever plans a failover counts on it.
            code: 'power-control-unanswered',
            severity: intent?.mode === 'failover' && intent.from === site ? 'warning' : 'info',
            what: `nobody says whether ${site} is switched off: ${one.text}`,
            next: 'Without an answer this level of the fence is not reached.',
          },
        ]
      return [
        {
          ...at,
          code: 'site-switched-off',
          severity: intent?.mode === 'failover' && intent.from === site ? 'info' : 'warning',
          what: `${site} is switched off (${one.text})`,
          next: `Standby switches nothing on. Before ${site} gets power again, be sure that its guard closes it.`,
        },
      ]
    })
  },
  manual: manualStep,
  behaviours: { 'switch-off': switchOff },
}

/** Less than an observation may take: one site that does not answer must not silence the others. */
const OBSERVED_WITHIN = seconds(2.5)

async function observePower(component: PowerControl, context: DriverContext): Promise<Observed<PowerState>> {
  const off = Object.fromEntries(
    await Promise.all(
      context.stack.sites.map(async ({ name }) => {
        const { says, text } = await ask(
          callsOf(component, name).isOff,
          Math.min(timeoutOf(component), OBSERVED_WITHIN),
          context,
        )
        return [name, { off: says === null ? null : says === 'yes', text }] as const
      }),
    ),
  )
  const words = Object.entries(off).map(
    ([site, one]) => `${site} ${one.off === null ? 'unknown' : one.off ? 'OFF' : 'on'}`,
  )
  const answered = Object.values(off).every((one) => one.off !== null)
  return {
    kind: 'answering',
    state: { off },
    role: 'unknown',
    health: answered ? 'healthy' : 'degraded',
    text: words.join(', '),
    facts: [],
  }
}

/** Only who moves switches off; who looks and has no credentials says that nobody answers. */
function credentialUses({ spec }: PowerControl): CredentialUse[] {
  const referencesOf = (call: Call): CredentialReference[] =>
    'run' in call
      ? Object.values(call.environment ?? {})
      : [call.token, ...(call.authority === undefined ? [] : [call.authority])]
  return Object.entries(spec.sites).flatMap(([site, { off, isOff }]) => [
    ...referencesOf(off).map(
      (reference): CredentialUse => ({ reference, identities: ['mover'], because: `switches ${site} off` }),
    ),
    ...referencesOf(isOff).flatMap((reference): CredentialUse[] => [
      { reference, identities: ['mover'], because: `asks whether ${site} is off` },
      {
        reference,
        identities: ['observer', 'deployer', 'restore-tester'],
        because: `asks whether ${site} is off`,
        optional: true,
      },
    ]),
  ])
}
