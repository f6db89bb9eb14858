import { expect, test } from '@jest/globals'
import { fieldsOf } from '../../../src/schema/fields.ts'
import { siteMap, text } from '../../../src/schema/parts.ts'

interface Verify {
  readonly header: string
  readonly answers?: number
}
const [header, answers] = [text('The header.'), { type: 'integer' }]

test('a schema that describes every field of its interface, and no other, is returned as it is', () => {
  const schema = { type: 'object', required: ['header'], properties: { header, answers } } as const
  expect(fieldsOf<Verify>()(schema)).toBe(schema)
  expect(fieldsOf<{ readonly note?: string }>()({ properties: { note: text('A note.') } })).toBeDefined()
})

test('a schema that differs from its interface does not compile: tsc refuses an expected error that does not come', () => {
  expect.assertions(0)
  // @ts-expect-error a field of the interface that the schema lacks
  fieldsOf<Verify>()({ required: ['header'], properties: { header } })
  // @ts-expect-error a field of the schema that the interface lacks
  fieldsOf<Verify>()({ required: ['header'], properties: { header, answers, more: answers } })
  // @ts-expect-error a required field that is not listed
  fieldsOf<Verify>()({ required: [], properties: { header, answers } })
  // @ts-expect-error no list of required fields at all
  fieldsOf<Verify>()({ properties: { header, answers } })
  // @ts-expect-error an optional field that is listed
  fieldsOf<Verify>()({ required: ['header', 'answers'], properties: { header, answers } })
  // @ts-expect-error a text where the interface has a number
  fieldsOf<Verify>()({ required: ['header'], properties: { header, answers: text('How many.') } })
  fieldsOf<{ readonly sites: Readonly<Record<string, number>> }>()({
    required: ['sites'],
    // @ts-expect-error a mapping of texts where the interface has one of numbers
    properties: { sites: siteMap('Per site.', header) },
  })
})
