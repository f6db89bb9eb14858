import { isObject } from '../../../values/json.ts'

type Mapping = Readonly<Record<string, unknown>>

/**
 * `over` merged over `under`: mappings key by key, lists of named things by name (in place, new ones at the end),
 * everything else replaced. So a user's own plugin or external cluster stays beside ours.
 */
export function mergeSpecs(under: Mapping, over: Mapping): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) merged[key] = mergeValues(under[key], value)
  return merged
}

function mergeValues(under: unknown, over: unknown): unknown {
  if (isObject(under) && isObject(over)) return mergeSpecs(under, over)
  if (!Array.isArray(under) || !Array.isArray(over)) return over
  const names = over.map(nameOf)
  if (names.includes(null) || under.map(nameOf).includes(null)) return over
  const kept = under.map((item: unknown) => over[names.indexOf(nameOf(item))] ?? item)
  const known = new Set(under.map(nameOf))
  return [...kept, ...over.filter((item: unknown) => !known.has(nameOf(item)))]
}

/** Managed services carry their name in a template. */
function nameOf(item: unknown): string | null {
  if (!isObject(item)) return null
  if (typeof item.name === 'string') return item.name
  const template = item.serviceTemplate
  const metadata = isObject(template) ? template.metadata : undefined
  return isObject(metadata) && typeof metadata.name === 'string' ? metadata.name : null
}
