/**
 * Reads the three small XML documents that S3 answers with. A general parser would be larger than this client: S3 uses
 * no attributes that matter, no mixed content and no CDATA. Keys come as XML text and not as `encoding-type=url`,
 * because stores disagree whether `+` is a space.
 */

/** The text of the first element of this name; null when there is none. */
export function textOf(xml: string, element: string): string | null {
  const [content] = contentOf(xml, element, 1)
  return content === undefined ? null : unescapeXml(content)
}

/**
 * The inside of each element of this name, in order, `most` of them. In one pass: no answer, however broken, takes
 * longer than its length.
 */
export function contentOf(xml: string, element: string, most = Number.POSITIVE_INFINITY): string[] {
  const [open, close] = [`<${element}`, `</${element}>`]
  const found: string[] = []
  for (let at = xml.indexOf(open); at !== -1 && found.length < most; at = xml.indexOf(open, at)) {
    at += open.length
    // Another element, whose name begins like this one.
    if (!/[\s/>]/.test(xml[at] ?? '')) continue
    const begin = xml.indexOf('>', at) + 1
    if (begin === 0) break
    if (xml[begin - 2] === '/') {
      found.push('')
      at = begin
      continue
    }
    const end = xml.indexOf(close, begin)
    if (end === -1) break
    found.push(xml.slice(begin, end))
    at = end + close.length
  }
  return found
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

export const unescapeXml = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (hex !== undefined) return characterOf(Number.parseInt(hex, 16), whole)
    if (decimal !== undefined) return characterOf(Number(decimal), whole)
    return ENTITIES[name ?? ''] ?? whole
  })

/** What is no character stays what it is. */
const characterOf = (code: number, otherwise: string): string =>
  code <= 0x10_ff_ff ? String.fromCodePoint(code) : otherwise
