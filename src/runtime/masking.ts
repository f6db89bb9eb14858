/** Known secrets, and how text looks without them. */
export interface Masking {
  /** From now on this value, and what programs commonly make of it, is hidden. */
  readonly add: (secret: string) => void
  /** The text with each known secret replaced. */
  readonly masked: (text: string) => string
}

const HIDDEN = '***'
/** Shorter texts stand in too many words: they would blank out half of a log. */
const SHORTEST = 4
const SHORTEST_LINE = 6

export function masking(): Masking {
  const forms = new Set<string>()
  let sorted: readonly string[] | null = null
  return {
    add(secret) {
      for (const form of formsOf(secret)) forms.add(form)
      sorted = null
    },
    masked(text) {
      // The longest first: a secret that begins another one would leave the rest of it.
      sorted ??= [...forms].sort((a, b) => b.length - a.length)
      return sorted.reduce((shown, form) => (shown.includes(form) ? shown.replaceAll(form, HIDDEN) : shown), text)
    },
  }
}

/** The value itself, its lines, and each of them in base64, in a URL and in JSON. Pure. */
function formsOf(secret: string): string[] {
  const whole = secret.trim()
  const lines = whole.split(/\r?\n/).map((line) => line.trim())
  const parts = lines.length > 1 ? [whole, ...lines.filter((line) => line.length >= SHORTEST_LINE)] : [whole]
  return parts.filter((part) => part.length >= SHORTEST).flatMap(encodingsOf)
}

function encodingsOf(part: string): string[] {
  const base64 = Buffer.from(part).toString('base64')
  const padless = base64.replace(/=+$/, '')
  const url = padless.replaceAll('+', '-').replaceAll('/', '_')
  const withNewline = Buffer.from(`${part}\n`).toString('base64')
  const forms = [part, base64, padless, url, withNewline, encodeURIComponent(part), JSON.stringify(part).slice(1, -1)]
  return forms.filter((form) => form.length >= SHORTEST)
}
