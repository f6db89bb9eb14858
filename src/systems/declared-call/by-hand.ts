import { quoted } from '../../driver/manual.ts'
import { type DeclaredCall, filled, filledJson, isProgram } from './spec.ts'

/** A call as one line of a shell. Credentials are variables: `$TOKEN`, `$CA` (a file), and one for each header. */
export function lineOf(call: DeclaredCall, values: Readonly<Record<string, string>>): string {
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
