import type { ByHand } from '../../driver/action.ts'
import type { Manual } from '../../driver/manual.ts'
import { lineOf } from '../../systems/declared-call/by-hand.ts'
import { readableDuration } from '../../values/duration.ts'
import type { CloseParameters, SiteParameters } from './parameters.ts'
import { ttlOf, valueFor, type WebhookSpec } from './spec.ts'

export const byHandClose: ByHand<WebhookSpec, CloseParameters> = {
  say: (component): Manual => {
    const { spec } = component
    const wait = ttlOf(component)
    return {
      commands: [lineOf(spec.close, { value: spec.closed }), lineOf(spec.observe, {})],
      expect: `The last answer is ${spec.closed}${wait === 0 ? '' : `, and then ${readableDuration(wait)} have passed: resolvers keep the former answer for so long`}.`,
      never: 'Go on while users are still sent to the old site: what they write is lost.',
    }
  },
}

export const byHandSwitch: ByHand<WebhookSpec, SiteParameters> = {
  say: (component, { parameters: { site } }) => {
    const value = valueFor(component, site)
    return {
      commands: [lineOf(component.spec.open, { site, value }), lineOf(component.spec.observe, {})],
      expect: `The last answer is ${value}.`,
    }
  },
}

export const byHandHold: ByHand<WebhookSpec, SiteParameters> = {
  say: (component, { parameters: { site } }) => ({
    commands: [lineOf(component.spec.observe, {})],
    expect: `The answer is ${valueFor(component, site)}.`,
  }),
}
