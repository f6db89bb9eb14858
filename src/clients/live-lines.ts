import { StringDecoder } from 'node:string_decoder'

/** Far above any line that a person reads; a longer one is cut there, so that nothing is held without bounds. */
const LONGEST = 8_192

/**
 * Hands on each line of a stream as soon as it has ended, without its line break; the last one at the end of the
 * stream. A carriage return ends a line too: progress bars write so. Empty lines are left out.
 */
export function eachLine(stream: NodeJS.ReadableStream, hear: (line: string) => void): void {
  const decoder = new StringDecoder('utf8')
  let begun = ''
  const take = (text: string): void => {
    const lines = (begun + text).split(/[\r\n]+/)
    begun = (lines.pop() ?? '').slice(0, LONGEST)
    for (const line of lines) if (line.trim() !== '') hear(line.slice(0, LONGEST))
  }
  stream.on('data', (chunk: Buffer) => take(decoder.write(chunk)))
  stream.once('end', () => take(`${decoder.end()}\n`))
}
