import { expect, test } from '@jest/globals'
import { contentOf, textOf } from '../../../src/clients/s3-xml.ts'
import { leastProcessorTime } from '../../support/processor-time.ts'

test('an answer of S3 is read element by element', () => {
  const xml = '<R><Key a="1">a &amp; b</Key><KeyCount>2</KeyCount><Key/><Key>&#x110000;&#65;</Key></R>'
  expect(contentOf(xml, 'Key')).toEqual(['a &amp; b', '', '&#x110000;&#65;'])
  expect(textOf(xml, 'Key')).toBe('a & b')
  expect(textOf('<Key>&#x110000;&#65;</Key>', 'Key')).toBe('&#x110000;A')
  expect(textOf(xml, 'None')).toBeNull()
})

test('an answer of 600 kB that never closes what it opens is read in a moment', () => {
  const readAll = (): void => {
    for (const part of ['<Contents>', '<Contents ', '<Contents/', '</Contents>'])
      contentOf(part.repeat(600_000 / part.length), 'Contents')
  }
  expect(leastProcessorTime(readAll, 1_000)).toBeLessThan(1_000)
})
