/**
 * The one place that makes text of others harmless: names, messages and reasons come from clusters, stores, files and
 * people, and their authors must not move the cursor of a terminal, turn the direction of writing, begin a line
 * of ours, command a runner or add markup.
 */

/** Control characters, invisible ones that change how others are read, halves of characters. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}]/gu
const LINE_ENDS = /\r\n|[\n\r\u0085\u2028\u2029]/gu

/**
 * Text of others on one line of ours: no line ends, no escape sequences, nothing that turns the direction of writing.
 */
export const oneLine = (text: string): string => onOneLine(text.replaceAll(/\s+/g, ' ')).trim()
/** The same, of a line whose columns are ours: its spaces stay. */
export const onOneLine = (text: string): string => text.replaceAll(/[\s\u0085]/g, ' ').replaceAll(/\p{C}/gu, '')

/**
 * Text of several lines, for a summary or a page: line ends are one kind, tabs stay, everything that is not seen goes.
 */
export const harmlessText = (text: string): string =>
  text.replaceAll(LINE_ENDS, '\n').replaceAll(INVISIBLE, (char) => (char === '\n' || char === '\t' ? char : ''))

/** What our own reports paint with: colours, bold and faint; nothing that hides or moves. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what this is about
const PAINT = /\u001b\[(?:0|1|2|3[0-7]|9[0-7])m/g

/** The same for a terminal; the colours of our reports stay. */
export function harmlessOnTerminal(text: string): string {
  const painted = text.match(PAINT) ?? []
  return text
    .split(PAINT)
    .map((part, index) => `${harmlessText(part)}${painted[index] ?? ''}`)
    .join('')
}

/** A line of a log: what comes after a line end in it is indented, and passes for no line of its own. */
export const harmlessLogLine = (line: string): string => harmlessText(line).replaceAll('\n', '\n    ')

/** JSON stays the same value: what is not seen is written as JSON escapes it. */
export const harmlessJson = (json: string): string =>
  json.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) =>
    char === '\n' || char === '\t' || char === '\r'
      ? char
      : [...Array(char.length).keys()].map((at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  )

/**
 * Text in the log of a GitHub job cannot command the runner: it obeys lines that begin with `::`, and `##[` anywhere.
 */
export const harmlessToRunner = (text: string): string =>
  harmlessText(text)
    .replaceAll(/^(\s*):(?=:)/gm, '$1: ')
    .replaceAll('##[', '## [')
