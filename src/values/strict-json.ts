/**
 * JSON that every reader reads alike, or why it is not: RFC 8259 leaves open what a mapping with one name twice says,
 * and a person who reads the first would approve something else than a program that takes the last.
 */
export function parseStrictly(text: string): { readonly value: unknown } | { readonly why: string } {
  try {
    const value: unknown = JSON.parse(text)
    const twice = nameGivenTwice(text)
    return twice === null ? { value } : { why: `names ${twice.slice(0, 60)} twice in one mapping` }
  } catch {
    // The parser's own words would quote the text.
    return { why: 'is no JSON' }
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]]/g
const NAME_ENDS = /\s*:/y

/** The first name, as it is written, that a mapping of a sound JSON text has twice; null: none. */
function nameGivenTwice(text: string): string | null {
  /** The names of each mapping that is open here; null for a list. */
  const open: (Set<string> | null)[] = []
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set())
    else if (token === '[') open.push(null)
    else if (token === '}' || token === ']') open.pop()
    else {
      const names = open.at(-1) ?? null
      NAME_ENDS.lastIndex = index + token.length
      if (names === null || !NAME_ENDS.test(text)) continue
      const name = JSON.parse(token) as string
      if (names.has(name)) return token
      names.add(name)
    }
  }
  return null
}
