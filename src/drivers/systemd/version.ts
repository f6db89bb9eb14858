import { isObject, type Json } from '../../values/json.ts'
import type { DeclaredVersion } from './spec.ts'

/** The version in what a host says; null where it says none. Pure. */
export function versionIn(said: string, declared: DeclaredVersion | undefined): string | null {
  const text = said.trim()
  if (declared === undefined || text === '') return null
  if ('run' in declared || declared.answer === undefined) return text.slice(0, LONGEST)
  try {
    const found = at(JSON.parse(text) as Json, declared.answer)
    return typeof found === 'string' || typeof found === 'number' ? String(found).slice(0, LONGEST) : null
  } catch {
    return null
  }
}
const LONGEST = 100

/** RFC 6901 */
function at(value: Json, pointer: string): Json | undefined {
  let found: Json | undefined = value
  for (const token of pointer.slice(1).split('/')) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(found)) found = found[Number(name)] as Json | undefined
    else found = isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined
  }
  return found
}
