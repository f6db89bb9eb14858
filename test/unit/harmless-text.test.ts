import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { errorText, terminalLog } from '../../src/cli/terminal.ts'
import { inputError } from '../../src/errors/standby-error.ts'
import { page } from '../../src/reporting/html-report.ts'
import { escaped } from '../../src/reporting/markdown.ts'
import {
  harmlessJson,
  harmlessLogLine,
  harmlessOnTerminal,
  harmlessText,
  harmlessToRunner,
  oneLine,
} from '../../src/values/harmless-text.ts'
import { anyText } from '../support/any-text.ts'
import { toyCode } from '../support/toy-codes.ts'

const ESC = '\u001b'
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        `${ESC}[2J`,
        `${ESC}]0;title\u0007`,
        `${ESC}]8;;https://evil.example${ESC}\\`,
        `${ESC}[8m`,
        '\u009b31m',
        '\u202e',
        '\u2066',
        '\u200b',
        '\u2028',
        '\r',
        '\r\n',
        '\n',
        '\u0000',
        '\b',
        '\ud800',
        '::set-output name=a::b',
        '##[error]',
        '  ::add-mask::x',
        '<script>',
        '| a |',
        '`',
      ),
      anyText(8),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''))

const clean = (text: string): boolean => !/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u.test(text.replaceAll(/[\n\t]/g, ''))

describe('text of strangers', () => {
  test('of whatever characters, is clean wherever it is shown', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(clean(harmlessText(text))).toBe(true)
        expect(clean(harmlessLogLine(text))).toBe(true)
        expect(clean(harmlessToRunner(text))).toBe(true)
        expect(oneLine(text)).not.toMatch(/[\n\r\t\u2028\u2029]/)
        expect(clean(oneLine(text))).toBe(true)
        expect(clean(escaped(text))).toBe(true)
        expect(escaped(text)).not.toContain('\n')
        expect(clean(page({ title: text, verdict: text, good: false, subtitle: text, content: '' }))).toBe(true)
        expect(clean(errorText(inputError(toyCode.code, text, { where: text, next: text })))).toBe(true)
        // Colours alone are left, and nothing that moves or hides.
        expect(clean(harmlessOnTerminal(text).replaceAll(/\p{Cc}\[(?:0|1|2|3[0-7]|9[0-7])m/gu, ''))).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  test('in JSON stays the same value, and is written so that no terminal obeys it', () => {
    fc.assert(
      fc.property(fc.dictionary(nasty, fc.oneof(nasty, fc.integer())), (value) => {
        const shown = harmlessJson(JSON.stringify(value, null, 2))
        expect(JSON.parse(shown)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(/[\p{Cf}\u007f-\u009f\u2028\u2029]/u.test(shown)).toBe(false)
      }),
    )
  })

  test('cannot command the runner of a GitHub job, on whatever line it stands', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        for (const line of harmlessToRunner(text).split('\n')) {
          expect(line).not.toMatch(/^\s*::/)
          expect(line).not.toContain('##[')
        }
      }),
    )
  })

  test('passes for no line of ours in a log', () => {
    const lines: string[] = []
    const log = terminalLog({ quiet: false, mask: (text) => text, write: (line) => lines.push(line) })
    log.info('a pod says: bye\n    0.1 s  run 1 moved\r    0.1 s  all is green')
    expect(lines[0]?.split('\n').slice(1)).toEqual(['        0.1 s  run 1 moved', '        0.1 s  all is green'])
  })

  test('that is clean, and our own colours, stay as they are', () => {
    const text = `✓ dc-a\tprimary, ${ESC}[32mgreen${ESC}[0m\n⚠️ Zürich, 東京\n`
    expect(harmlessOnTerminal(text)).toBe(text)
    expect(harmlessText('a\tb\n')).toBe('a\tb\n')
  })
})
