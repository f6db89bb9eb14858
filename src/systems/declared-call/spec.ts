import type { SpecProblem } from '../../domain/declaration.ts'
import type { CredentialReference } from '../../domain/stack.ts'
import { fieldsOf, type Schema } from '../../schema/fields.ts'
import { credentialReference, text } from '../../schema/parts.ts'
import { isObject, type Json, type JsonObject } from '../../values/json.ts'

/**
 * A call that the user declares, because no driver knows the system: a question over HTTP, or a program. Texts in it
 * may hold placeholders in braces, such as `{site}`, which the driver fills.
 */
export type DeclaredCall = DeclaredRequest | DeclaredProgram

export interface DeclaredRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  /** Sent as `authorization: Bearer …`. */
  readonly token?: CredentialReference
  readonly headers?: Readonly<Record<string, string | CredentialReference>>
  readonly body?: Json
  readonly authority?: CredentialReference
  readonly expect?: readonly number[]
  /** JSON Pointer (RFC 6901) into the answer; the whole body, trimmed, when absent. */
  readonly answer?: string
}
export interface DeclaredProgram {
  readonly run: readonly string[]
  readonly environment?: Readonly<Record<string, CredentialReference>>
}

export const isProgram = (call: DeclaredCall): call is DeclaredProgram => 'run' in call

/** The schema of a program; `run` describes its words. */
export const declaredProgram = (run: string, example: readonly string[]): Schema<DeclaredProgram> =>
  fieldsOf<DeclaredProgram>()({
    required: ['run'],
    additionalProperties: false,
    properties: {
      run: { description: run, type: 'array', minItems: 1, items: { type: 'string' }, examples: [[...example]] },
      environment: {
        description: 'Credentials for the program, by the name of the variable that it reads.',
        type: 'object',
        propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
        additionalProperties: credentialReference,
      },
    },
  })

/** The schema of one call; `answers`: its answer is read, so that a request may say where in it. */
export const declaredCall = (description: string, answers: 'read' | 'not-read' = 'not-read'): Schema<DeclaredCall> => ({
  description,
  type: 'object',
  oneOf: [
    declaredProgram(
      `A program and its arguments, as they are: no shell reads them. Exit code 0 is success${
        answers === 'read' ? '; the answer is its last line' : ''
      }.`,
      ['/usr/local/bin/route', 'set', '{value}'],
    ),
    fieldsOf<DeclaredRequest>()({
      required: ['url'],
      additionalProperties: false,
      properties: {
        method: { description: 'Default GET.', enum: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] },
        url: text('Where the question goes. No redirect is followed.', {
          pattern: '^https?://[^\\s]+$',
          examples: ['https://dns.example.com/zones/example.com/records/app'],
        }),
        token: { ...credentialReference, description: 'Sent as `authorization: Bearer …`.' },
        headers: {
          description: 'Further headers: a text, or a reference to a credential.',
          type: 'object',
          propertyNames: { pattern: '^[A-Za-z0-9-]+$' },
          additionalProperties: { anyOf: [{ type: 'string', pattern: '^[^\\r\\n]*$' }, credentialReference] },
        },
        body: { description: 'Sent as JSON; no body when absent.' },
        authority: {
          ...credentialReference,
          description: "Certificates (PEM) of a private authority; the system's own when absent.",
        },
        expect: {
          description: 'The statuses that count as success. Default: 200 to 299.',
          type: 'array',
          minItems: 1,
          items: { type: 'integer', minimum: 100, maximum: 599 },
        },
        answer: text(
          answers === 'read' ? 'JSON Pointer to the answer in the body; the whole body when absent.' : 'Not read here.',
          { pattern: '^(/([^~/]|~[01])*)+$', examples: ['/records/0/content'] },
        ),
      },
    }),
  ],
})

const PLACEHOLDER = /\{([A-Za-z]+)\}/g

/** Fills the placeholders of a text; `encoded` for a part of an address. */
export const filled = (
  template: string,
  values: Readonly<Record<string, string>>,
  encode: (value: string) => string = (value) => value,
): string => template.replace(PLACEHOLDER, (whole, name: string) => encode(values[name] ?? whole))

/** The same in all texts of a JSON value. */
export function filledJson(template: Json, values: Readonly<Record<string, string>>): Json {
  if (typeof template === 'string') return filled(template, values)
  if (Array.isArray(template)) return template.map((one) => filledJson(one as Json, values))
  if (!isObject(template)) return template
  return Object.fromEntries(
    Object.entries(template as JsonObject).map(([name, one]) => [name, filledJson(one, values)]),
  )
}

/** Placeholders that nothing fills, and requests that send a secret in the clear. */
export function callProblems(call: DeclaredCall, path: readonly string[], known: readonly string[]): SpecProblem[] {
  const texts: [string, string][] = isProgram(call)
    ? call.run.map((one, index) => [`run.${index}`, one])
    : [
        ['url', call.url],
        ...Object.entries(call.headers ?? {}).flatMap(([name, one]): [string, string][] =>
          typeof one === 'string' ? [[`headers.${name}`, one]] : [],
        ),
        ['body', JSON.stringify(call.body ?? null)],
      ]
  const unknown = texts.flatMap(([where, one]) =>
    [...one.matchAll(PLACEHOLDER)].flatMap(([whole, name = '']): SpecProblem[] =>
      known.includes(name)
        ? []
        : [
            {
              path: [...path, ...where.split('.')],
              what: `${whole} is filled with nothing; ${knownText(known)}`,
            },
          ],
    ),
  )
  return [...unknown, ...(isProgram(call) ? [] : addressProblems(call, [...path, 'url']))]
}

const knownText = (known: readonly string[]): string =>
  known.length === 0 ? 'this call has no placeholders' : `known are ${known.map((one) => `{${one}}`).join(', ')}`

/** A credential over plain HTTP can be read on its way; and an address must be one. */
function addressProblems(call: DeclaredRequest, path: readonly string[]): SpecProblem[] {
  const url = URL.parse(call.url.replace(PLACEHOLDER, 'x'))
  if (url === null) return [{ path, what: `${call.url} is no address` }]
  if (url.username !== '' || url.password !== '')
    return [{ path, what: 'an address holds no user and no password: use token or headers' }]
  const secrets = referencesOf(call).length > (call.authority === undefined ? 0 : 1)
  return url.protocol === 'http:' && secrets
    ? [{ path, what: 'a credential goes over https alone: over http it can be read on its way' }]
    : []
}

/** Every credential that a call reads. */
export function referencesOf(call: DeclaredCall): CredentialReference[] {
  if (isProgram(call)) return Object.values(call.environment ?? {})
  const inHeaders = Object.values(call.headers ?? {}).filter((one) => typeof one !== 'string')
  return [call.token, call.authority, ...inHeaders].filter((one) => one !== undefined)
}
