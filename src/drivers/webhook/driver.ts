import { type CredentialUse, OPERATING } from '../../domain/identities.ts'
import type { StackDriver } from '../../driver/capabilities.ts'
import { isProgram, referencesOf } from '../../systems/declared-call/spec.ts'
import { close, closeStep, hold, holdStep, switchStep, switchTo } from './actions.ts'
import { assessRouting } from './assess.ts'
import { codes } from './codes.ts'
import { firstValueUnit } from './deploy.ts'
import { observeRouting, type RoutingState } from './observe.ts'
import { type Routing, routingProblems, type WebhookSpec, webhookSchema } from './spec.ts'

/** Traffic by calls that the user declares: closed while the data moves, then opened to the new site, and read back. */
export const webhook: StackDriver<WebhookSpec, RoutingState> = {
  kind: 'webhook',
  scope: 'stack',
  schema: webhookSchema,
  codes,
  levels: ['traffic'],
  access: () => [],
  claims: ({ spec: { observe } }) => [
    { key: `webhook ${isProgram(observe) ? observe.run.join(' ') : observe.url}`, path: ['observe'] },
  ],
  validate: routingProblems,
  credentials: credentialUses,
  addresses: ({ spec: { observe } }) => (isProgram(observe) ? [] : [observe.url]),
  observe: observeRouting,
  assess: {
    status: (component, seen, around) => assessRouting(component, seen, null, around),
    moves: {
      switchover: assessRouting,
      failover: assessRouting,
      rejoin: assessRouting,
      reopen: assessRouting,
    },
  },
  deploys: {
    deploy: async (component, _place, deployment, context) => [firstValueUnit(component, deployment, context)],
  },
  moves: {
    switchover: (component, seen, intent) => [closeStep(component, seen, intent), switchStep(component, intent)],
    failover: (component, seen, intent) => [closeStep(component, seen, intent), switchStep(component, intent)],
    rejoin: (component, _seen, intent) => [holdStep(component, intent)],
    reopen: (component, _seen, intent) => [switchStep(component, intent)],
  },
  actions: [close, switchTo, hold],
}

/** Every identity reads where users are sent; the mover sends them elsewhere, and the first deploy opens. */
function credentialUses({ spec: { observe, open, close } }: Routing): CredentialUse[] {
  return [
    ...referencesOf(observe).map(
      (reference): CredentialUse => ({ reference, identities: OPERATING, because: 'reads where users are sent' }),
    ),
    ...referencesOf(open).map(
      (reference): CredentialUse => ({
        reference,
        identities: ['mover', 'deployer'],
        because: 'sends users to a site',
      }),
    ),
    ...referencesOf(close).map(
      (reference): CredentialUse => ({ reference, identities: ['mover'], because: 'sends users to no site' }),
    ),
  ]
}
