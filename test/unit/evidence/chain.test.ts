import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type ChainFiles, judgeChain, linkName, linkText, recordName, sha256 } from '../../../src/evidence/chain.ts'
import { VERIFY_SCRIPT } from '../../../src/reporting/verify-script.ts'
import { needs } from '../../support/needs.ts'
import { rounds } from '../../support/rounds.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

needs('sha256sum')

/** A whole chain of these texts. */
function chainOf(records: readonly string[]): Map<string, string> {
  const files = new Map<string, string>()
  let previous: string | null = null
  for (const [index, record] of records.entries()) {
    const link: string = linkText(index + 1, record, previous)
    files.set(recordName(index + 1), record)
    files.set(linkName(index + 1), link)
    previous = link
  }
  return files
}
const RECORDS = ['{"run": "a"}\n', '{"run": "b", "by": "Jörg → \\ufffd"}\n', '{"run": "c"}\n']
const changed = (change: (files: Map<string, string>) => void): ChainFiles => {
  const files = chainOf(RECORDS)
  change(files)
  return files
}
const file = (files: ChainFiles, name: string): string => files.get(name) ?? ''

/**
 * What an auditor sees who has a shell and sha256sum, and nothing of ours but the files; the script is what an export
 * carries.
 */
function byHand(
  files: ReadonlyMap<string, string | Uint8Array>,
  heads: readonly string[] = [],
): { whole: boolean; said: string } {
  const folder = temporaryFolder()
  for (const [name, content] of files) writeFileSync(join(folder, name), content)
  writeFileSync(join(folder, 'verify.sh'), VERIFY_SCRIPT)
  const { status, stdout, stderr } = spawnSync('sh', [join(folder, 'verify.sh'), ...heads], { encoding: 'utf8' })
  return { whole: status === 0, said: `${stdout}${stderr}`.trim() }
}
/** The same where nothing but what is in this folder is installed. */
function withPath(path: string): { status: number | null; said: string } {
  const folder = temporaryFolder()
  for (const [name, content] of changed((files) => files.set(recordName(2), 'forged')))
    writeFileSync(join(folder, name), content)
  writeFileSync(join(folder, 'verify.sh'), VERIFY_SCRIPT)
  const { status, stdout, stderr } = spawnSync('/bin/sh', [join(folder, 'verify.sh')], {
    encoding: 'utf8',
    env: { PATH: path },
  })
  return { status, said: `${stdout}${stderr}`.trim() }
}
const byUs = (files: ChainFiles, heads: readonly string[] = []): boolean => judgeChain(files, heads).broken === null

describe('where sha256sum cannot do its work, nothing is OK', () => {
  test('there is none: nothing was verified', () => {
    expect(withPath(temporaryFolder())).toEqual({ status: 2, said: expect.stringContaining('no sha256sum') })
  })

  test('it prints nothing: the chain is not whole', () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'sha256sum'), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
    expect(withPath(folder)).toEqual({ status: 1, said: expect.stringContaining('BROKEN 00000001.sha256') })
  })
})

describe('a chain that was not changed', () => {
  test('is whole for us and for sha256sum, and both name the same head', () => {
    const files = chainOf(RECORDS)
    const { head } = judgeChain(files)
    expect(judgeChain(files)).toEqual({ records: 3, head: sha256(file(files, linkName(3))), broken: null })
    expect(byHand(files)).toEqual({ whole: true, said: `OK 3 records, head ${head}` })
  })

  test('has links that sha256sum -c reads as its own lists', () => {
    const folder = temporaryFolder()
    for (const [name, content] of chainOf(RECORDS)) writeFileSync(join(folder, name), content)
    const { status, stdout } = spawnSync('sha256sum', ['--check', '--strict', linkName(1), linkName(2), linkName(3)], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect({ status, lines: stdout.trim().split('\n').length }).toEqual({ status: 0, lines: 5 })
  })

  test('keeps every head that it ever had', () => {
    const heads = [1, 2, 3].map((length) => judgeChain(chainOf(RECORDS.slice(0, length))).head ?? '')
    expect(byUs(chainOf(RECORDS), heads)).toBe(true)
    expect(byHand(chainOf(RECORDS), heads).whole).toBe(true)
  })

  test('may be empty, unless a person kept a head', () => {
    expect(byUs(new Map())).toBe(true)
    expect(byHand(new Map())).toEqual({ whole: true, said: 'OK 0 records, head none' })
    expect(byUs(new Map(), ['a'.repeat(64)])).toBe(false)
    expect(byHand(new Map(), ['a'.repeat(64)]).whole).toBe(false)
  })
})

describe('both we and sha256sum alone find', () => {
  const decode = new TextDecoder('utf-8', { ignoreBOM: true })
  const flipped = (name: string, place: number, bit: number): Buffer => {
    const bytes = Buffer.from(file(chainOf(RECORDS), name))
    bytes[place % bytes.length] = (bytes[place % bytes.length] ?? 0) ^ (1 << bit)
    return bytes
  }
  const names = [...chainOf(RECORDS).keys()]

  test('every flipped bit of every record and every link: we, all of them', () => {
    const missed: string[] = []
    for (const name of names)
      for (let place = 0; place < Buffer.byteLength(file(chainOf(RECORDS), name)); place++)
        for (let bit = 0; bit < 8; bit++)
          if (byUs(changed((files) => files.set(name, decode.decode(flipped(name, place, bit))))))
            missed.push(`${name} ${place} ${bit}`)
    expect(missed).toEqual([])
  })

  test('every flipped bit: sha256sum, a sample', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.nat(200), fc.nat(7), (name, place, bit) => {
        const files = new Map<string, string | Uint8Array>(chainOf(RECORDS)).set(name, flipped(name, place, bit))
        expect(byHand(files).whole).toBe(false)
      }),
      { numRuns: rounds(60) },
    )
  })

  const swap = (files: Map<string, string>, one: string, other: string): void => {
    const [a, b] = [file(files, one), file(files, other)]
    files.set(one, b).set(other, a)
  }
  const rewritten = chainOf(['{"run": "a"}\n', '{"run": "forged"}\n', '{"run": "c"}\n'])
  const trueHead = judgeChain(chainOf(RECORDS)).head ?? ''
  test.each<[string, (files: Map<string, string>) => void, string[]]>([
    ['a record that was removed from the middle', (files) => void files.delete(recordName(2)), []],
    ['a link that was removed from the middle', (files) => void files.delete(linkName(2)), []],
    [
      'both that were removed from the middle',
      (files) => void (files.delete(recordName(2)) && files.delete(linkName(2))),
      [],
    ],
    ['the first that was removed', (files) => void (files.delete(recordName(1)) && files.delete(linkName(1))), []],
    ['the newest link that was removed', (files) => void files.delete(linkName(3)), []],
    [
      'the newest record and link that were removed, by a head that was kept',
      (files) => void (files.delete(recordName(3)) && files.delete(linkName(3))),
      [trueHead],
    ],
    ['two records that were swapped', (files) => swap(files, recordName(1), recordName(2)), []],
    ['two links that were swapped', (files) => swap(files, linkName(1), linkName(2)), []],
    [
      'two records that were swapped with their links',
      (files) => {
        swap(files, recordName(2), recordName(3))
        swap(files, linkName(2), linkName(3))
      },
      [],
    ],
    [
      'a byte order mark before a record',
      (files) => void files.set(recordName(2), `\uFEFF${file(files, recordName(2))}`),
      [],
    ],
    [
      'a line end at the end of the newest link',
      (files) => void files.set(linkName(3), `${file(files, linkName(3))}\n`),
      [],
    ],
    ['a record that was put after a gap', (files) => void files.set(recordName(5), '{}\n'), []],
    ['a stranger among the records', (files) => void files.set('00000004b.json', '{}\n'), []],
    [
      'a tail that was rewritten with all its links, by a head that was kept',
      (files) => {
        for (const [name, text] of rewritten) files.set(name, text)
      },
      [trueHead],
    ],
  ])('%s', (_what, change, heads) => {
    const files = changed(change)
    expect({ byUs: byUs(files, heads), byHand: byHand(files, heads).whole }).toEqual({ byUs: false, byHand: false })
  })

  test('a tail that was rewritten looks whole without a kept head: that is why heads are printed', () => {
    expect({ byUs: byUs(rewritten), byHand: byHand(rewritten).whole }).toEqual({ byUs: true, byHand: true })
  })
})

describe('what docs/evidence.md tells auditors to type', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/evidence.md'), 'utf8')
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, lines = '']) =>
    lines.replace(/^aws .*\n/m, ''),
  )
  const typed = (
    files: ReadonlyMap<string, string | Buffer>,
    lines: string,
  ): { status: number | null; said: string } => {
    const folder = temporaryFolder()
    for (const [name, content] of files) writeFileSync(join(folder, name), content)
    const { status, stdout, stderr } = spawnSync('sh', ['-e', '-c', lines], { cwd: folder, encoding: 'utf8' })
    return { status, said: `${stdout}${stderr}` }
  }
  const seven = chainOf(['1', '2', '3', '4', '5', '6', '7'].map((run) => `{"run": "${run}"}\n`))
  const [check = '', loop = '', openssl = ''] = blocks

  test('is three recipes', () => expect(blocks).toHaveLength(3))

  test('finds nothing wrong in a whole chain, and prints its head', () => {
    const { status, said } = typed(seven, check)
    expect(status).toBe(0)
    expect(said).toContain(judgeChain(seven).head ?? 'no head')
    expect(typed(seven, loop)).toEqual({ status: 0, said: '' })
    expect(typed(seven, openssl)).toEqual({ status: 0, said: '' })
  })

  test('finds a record that was changed, with each of the three', () => {
    const bent = new Map(seven).set(recordName(7), '{"run": "8"}\n')
    expect(typed(bent, check).status).not.toBe(0)
    expect(typed(bent, loop).said).toContain('BROKEN at 00000007')
    expect(typed(bent, openssl).said).toContain('BROKEN at 00000007')
  })

  test('finds a record that was removed from the middle', () => {
    const holed = new Map([...seven].filter(([name]) => !name.startsWith('00000004')))
    expect(typed(holed, check).status).not.toBe(0)
    for (const recipe of [loop, openssl]) expect(typed(holed, recipe).said).toContain('BROKEN at 00000005')
  })

  test('finds one flipped bit of any record and of any link, with openssl alone', () => {
    for (const [index, [name, content]] of [...seven].entries()) {
      const bytes = Buffer.from(content)
      const at = (index * 7) % bytes.length
      bytes[at] = (bytes[at] ?? 0) ^ 1
      expect(typed(new Map<string, string | Buffer>(seven).set(name, bytes), openssl).said).toContain('BROKEN at')
    }
  })
})
