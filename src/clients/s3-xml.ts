/**
 * Reads the three small XML documents that S3 answers with. A general parser would be larger than this client: S3 uses no attributes that
 * matter, no mixed content and no CDATA. Keys come as XML text and not as `encoding-type=url`, because stores disagree whether `+` is a space.
 */

/** The text of the first element of this name; null when there is none. */
export function textOf(xml: string, element: string): string | null {
  const content = contentOf(xml, element)[0]
  return content === undefined ? null : unescapeXml(content)
}

/** The inside of each element of this name, in order. */
export const contentOf = (xml: string, element: string): string[] =>
  Array.from(xml.matchAll(new RegExp(`<${element}(?:\\s[^>]*)?(?:/>|>([\\s\\S]*?)</${element}>)`, 'g')), (match) => match[1] ?? '')

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

export const unescapeXml = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    return ENTITIES[name ?? ''] ?? whole
  })
