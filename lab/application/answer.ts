import type { IncomingMessage } from 'node:http'

/** An answer other than 200 that the caller has caused or must know of. */
export class Refusal extends Error {
  readonly status: number
  readonly kind: string

  constructor(status: number, kind: string, message: string) {
    super(message)
    this.status = status
    this.kind = kind
  }
}

export const badRequest = (message: string): Refusal => new Refusal(400, 'BadRequest', message)
export const unauthorized = (message: string): Refusal => new Refusal(401, 'UnauthorizedError', message)
export const notFound = (message: string): Refusal => new Refusal(404, 'NotFound', message)

export interface Call {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly parameters: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
  readonly request: IncomingMessage
}

/** A field of the body or, for GET, of the query. */
export function field(call: Call, name: string): string | null {
  const value = call.body[name] ?? call.query.get(name)
  return typeof value === 'string' && value !== '' ? value : null
}

export function requiredField(call: Call, ...names: readonly string[]): string {
  for (const name of names) {
    const value = field(call, name)
    if (value !== null) return value
  }
  throw new Refusal(422, 'ValidationFailure', `${names[0] ?? 'field'} is required`)
}
