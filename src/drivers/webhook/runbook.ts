import type { ByHand } from '../../driver/action.ts'
import { type Manual, quoted } from '../../driver/manual.ts'
import { type DeclaredCall, filled, filledJson, isProgram } from '../../systems/declared-call/spec.ts'
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

/** A call as one line of a shell. Credentials are variables: `$TOKEN`, `$CA` (a file), and one for each header. */
function lineOf(call: DeclaredCall, values: Readonly<Record<string, string>>): string {
  if (isProgram(call)) {
    const names = Object.keys(call.environment ?? {})
    const words = call.run.map((one) => quoted(filled(one, values))).join(' ')
    return names.length === 0 ? words : `${words}   # needs ${names.join(', ')} in the environment`
  }
  const headers = Object.entries(call.headers ?? {}).map(([name, one]) =>
    typeof one === 'string' ? `-H ${quoted(`${name}: ${filled(one, values)}`)}` : `-H "${name}: $${variableOf(name)}"`,
  )
  return [
    `curl -fsS -X ${call.method ?? 'GET'}`,
    ...(call.authority === undefined ? [] : ['--cacert "$CA"']),
    ...(call.token === undefined ? [] : ['-H "authorization: Bearer $TOKEN"']),
    ...headers,
    ...(call.body === undefined
      ? []
      : [`-H 'content-type: application/json' -d ${quoted(JSON.stringify(filledJson(call.body, values)))}`]),
    quoted(filled(call.url, values, encodeURIComponent)),
  ].join(' ')
}

const variableOf = (header: string): string => header.toUpperCase().replaceAll('-', '_')
