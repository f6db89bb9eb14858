import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { isObject, type Json } from '../../src/values/json.ts'
import { defectOf } from '../../src/witness/judge-document.ts'

const root = resolve(import.meta.dirname, '../..')
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name: `src/${name}`, text: readFileSync(join(root, 'src', name), 'utf8') }))

describe('what is read from the witness', () => {
  test('is read in one place, which judges it; stores hand their own documents on', () => {
    const readers = sources.filter(({ text }) => /\bstore\.get\(|witness\.get\(/.test(text)).map(({ name }) => name)
    const allowed = [
      // A driver gets stores that a component declares, and never the witness.
      'src/drivers/',
      'src/systems/',
      // Stores, which hand their documents on.
      'src/witness/documents-in.ts',
      'src/witness/patient-store.ts',
      // Asks whether there is an entry, not what it says.
      'src/witness/journal.ts',
      'src/witness/read-document.ts',
    ]
    expect(readers.filter((name) => !allowed.some((prefix) => name.startsWith(prefix)))).toEqual([])
  })

  test('gets its type from its schema, and from no cast', () => {
    const cast = /(?:\.body|\bfound\.record|\bdocument\.body) as (?:unknown as )?[A-Z]/
    const read = sources.filter(({ name }) => !name.startsWith('src/clients/'))
    expect(read.filter(({ text }) => cast.test(text)).map(({ name }) => name)).toEqual([])
  })

  test('is judged by schemas of which every keyword is known', () => {
    let judged = 0
    const visit = (schema: Json | undefined, file: string, pointer: string): void => {
      if (!isObject(schema)) return
      judged++
      // Throws at a keyword, or a reference, that it does not know; the verdict does not matter here.
      for (const value of [null, {}, [], 'text', 1]) expect(() => defectOf(`${file}#${pointer}`, value)).not.toThrow()
      for (const key of ['$defs', 'properties'])
        for (const [name, part] of Object.entries(isObject(schema[key]) ? schema[key] : {}))
          visit(part, file, `${pointer}/${key}/${name}`)
      if (isObject(schema.items)) visit(schema.items, file, `${pointer}/items`)
    }
    for (const name of ['witness', 'plan', 'evidence', 'result'])
      visit(
        JSON.parse(readFileSync(join(root, 'schema', `${name}.schema.json`), 'utf8')) as Json,
        `${name}.schema.json`,
        '',
      )
    expect(judged).toBeGreaterThan(150)
    expect(() => defectOf({ contains: {} }, null)).toThrow('does not know the schema keyword contains')
  })
})
