import type { Component, CredentialReference, SiteName } from '../../domain/stack.ts'
import { fieldsOf, type Schema } from '../../schema/fields.ts'
import { credentialReference, duration, siteMap, text } from '../../schema/parts.ts'
import { type DeclaredProgram, declaredProgram } from '../../systems/declared-call/spec.ts'
import { type Milliseconds, parseDuration, seconds } from '../../values/duration.ts'
import type { Json, JsonObject } from '../../values/json.ts'

/**
 * How a site is switched off from outside: by a program of the user, or by an HTTPS call. Standby never switches one
 * on.
 */
export interface CommandSpec {
  readonly timeout?: string
  readonly sites: Readonly<Record<string, SiteCalls>>
}
export interface SiteCalls {
  readonly off: Call
  readonly isOff: Call
}
export type Call = DeclaredProgram | WebCall
export interface WebCall {
  readonly post: string
  readonly token: CredentialReference
  readonly body?: Json
  readonly authority?: CredentialReference
}
export type PowerControl = Component<CommandSpec>

const call = (description: string): Schema<Call> => ({
  description,
  type: 'object',
  oneOf: [
    declaredProgram('A program and its arguments, as they are: no shell reads them.', [
      '/usr/local/bin/pdu',
      'off',
      'rack-7',
    ]),
    fieldsOf<WebCall>()({
      required: ['post', 'token'],
      additionalProperties: false,
      properties: {
        post: text('An HTTPS address that takes a POST.', {
          pattern: '^https://',
          examples: ['https://power.example.com/sites/dc-a/off'],
        }),
        token: { ...credentialReference, description: 'Sent as `authorization: Bearer …`.' },
        body: { description: 'Sent as JSON; {} when absent.' },
        authority: {
          ...credentialReference,
          description: "Certificates (PEM) of a private authority; the system's own when absent.",
        },
      },
    }),
  ],
})

export const commandSchema: JsonObject = fieldsOf<CommandSpec>()({
  description: 'Power or network of each site, switched off from outside when the site is lost.',
  required: ['sites'],
  properties: {
    timeout: duration('How long one call may take. Default 30s.'),
    sites: siteMap(
      'How a site is switched off, and how one asks whether it is.',
      fieldsOf<SiteCalls>()({
        type: 'object',
        required: ['off', 'isOff'],
        additionalProperties: false,
        properties: {
          off: call('Switches the site off. It may be called twice.'),
          isOff: call(
            'Asks whether the site is off; changes nothing. A program says yes with exit code 0, no with 1; an HTTPS answer with {"off": true} or {"off": false}. Everything else is no answer.',
          ),
        },
      }),
    ),
  },
})

export const timeoutOf = (component: PowerControl): Milliseconds =>
  parseDuration(component.spec.timeout ?? '30s') ?? seconds(30)

export function callsOf(component: PowerControl, site: SiteName | string): SiteCalls {
  const calls = component.spec.sites[site]
  if (calls === undefined) throw new Error(`${component.name} declares nothing for ${site}`)
  return calls
}
