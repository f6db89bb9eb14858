/** The order of two texts by UTF-16 code unit, as RFC 8785 asks for: a language would sort signs before digits. */
export function byCodeUnit(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
