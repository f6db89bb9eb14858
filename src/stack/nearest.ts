/** The candidate that a person most likely meant; the first of equally near ones. Null when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: { readonly candidate: string; readonly distance: number } | null = null
  for (const candidate of candidates) {
    const slips = tolerated(Math.min(word.length, candidate.length))
    // A difference in length is at least as many typing errors: the others of a very long word need not be counted.
    if (Math.abs(word.length - candidate.length) > slips) continue
    const found = distance(word.toLowerCase(), candidate.toLowerCase())
    if (found <= slips && (best === null || found < best.distance)) best = { candidate, distance: found }
  }
  return best?.candidate ?? candidates.find((candidate) => candidate.length >= 4 && word.startsWith(candidate)) ?? null
}

/** In short words two typing errors turn any word into any other. */
const tolerated = (length: number): number => (length <= 3 ? 1 : Math.max(2, Math.floor(length / 3)))

/** Damerau-Levenshtein (optimal string alignment): two swapped neighbours are one error. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(i - 1, j - 1) + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1)
      row.push(best)
    }
  }
  return at(a.length, b.length)
}
