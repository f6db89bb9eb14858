import type { CredentialUse } from '../../domain/identities.ts'
import type { Observed } from '../../domain/observed.ts'
import type { Finding } from '../../domain/plan.ts'
import type { CredentialReference, Stack } from '../../domain/stack.ts'
import type { StackDriver } from '../../driver/capabilities.ts'
import { declareCodes } from '../../driver/codes.ts'
import type { DriverContext } from '../../driver/context.ts'
import { seconds } from '../../values/duration.ts'
import { ask } from './call.ts'
import { type Call, type CommandSpec, callsOf, commandSchema, type PowerControl, timeoutOf } from './spec.ts'
import { switchOff, switchOffStep } from './switch-off.ts'

/** Whether each site is off, by its power control; null: no answer. */
export interface PowerState {
  readonly off: Readonly<Record<string, { readonly off: boolean | null; readonly text: string }>>
}

const codes = declareCodes('Power and network', {
  'power-control-unanswered': 'The power control gives no answer whether a site is switched off.',
  'site-switched-off': 'The power control says that a site is switched off.',
})

/**
 * Switches power or network of a site off by a program or a webhook of the user: a fence that needs nothing of the lost
 * site.
 */
export const command: StackDriver<CommandSpec, PowerState> = {
  kind: 'command',
  scope: 'stack',
  schema: commandSchema,
  codes,
  claims: () => [],
  levels: ['power'],
  access: () => [],
  credentials: credentialUses,
  addresses: ({ spec }) => Object.values(spec.sites).flatMap(({ isOff }) => ('post' in isOff ? [isOff.post] : [])),
  observe: observePower,
  moves: { failover: (component, _seen, intent) => [switchOffStep(component, intent)] },
  liveness: {
    // Power that is on does not show that the machines run.
    signals(component, seen, site) {
      const one = seen.kind === 'answering' ? seen.state.off[site] : undefined
      return one?.off === true
        ? [{ from: `power control ${component.name}`, says: 'down', what: `it is switched off (${one.text})` }]
        : []
    },
  },
  assess: {
    status: (component, seen, { stack }) => powerFindings(component, seen, stack, null),
    moves: { failover: (component, seen, { from }, { stack }) => powerFindings(component, seen, stack, from) },
  },
  actions: [switchOff],
}

/** `lost`: the site that a failover leaves; null outside of one. */
function powerFindings(
  component: PowerControl,
  seen: Observed<PowerState>,
  { sites }: Stack,
  lost: string | null,
): Finding[] {
  if (seen.kind !== 'answering') return []
  return sites.flatMap(({ name: site }): Finding[] => {
    const one = seen.state.off[site]
    if (one === undefined || one.off === false) return []
    if (one.off === null)
      return [
        codes.finding('power-control-unanswered', component, {
          site,
          // An observer may not have its credentials; a failover counts on the answer.
          severity: lost === site ? 'warning' : 'info',
          what: `it is unknown whether ${site} is switched off: ${one.text}`,
          next: 'Without an answer this level of the fence is not reached.',
        }),
      ]
    return [
      codes.finding('site-switched-off', component, {
        site,
        severity: lost === site ? 'info' : 'warning',
        what: `${site} is switched off (${one.text})`,
        next: `Standby switches nothing on. Before ${site} gets power again, be sure that its guard closes it.`,
      }),
    ]
  })
}

/** Shorter than an observation may take: one site that does not answer must not make the others look silent. */
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
  const words = Object.entries(off).map(([site, one]) => `${site} ${powerText(one.off)}`)
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

function powerText(off: boolean | null): string {
  if (off === null) return 'unknown'
  return off ? 'OFF' : 'on'
}

/** Only the mover switches off. An observer without these credentials reports no answer. */
function credentialUses({ spec }: PowerControl): CredentialUse[] {
  const referencesOf = (call: Call): CredentialReference[] => {
    if ('run' in call) return Object.values(call.environment ?? {})
    return call.authority === undefined ? [call.token] : [call.token, call.authority]
  }
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
