import { describe, expect, test } from '@jest/globals'
import { FENCE } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import { stateOf } from '../../../../src/drivers/cloudnative-pg/observe.ts'
import { cluster, primary } from './cluster-states.ts'

const fenced = (annotation?: string): boolean => {
  const annotations: Record<string, string> = annotation === undefined ? {} : { [FENCE]: annotation }
  return stateOf(cluster('pg-dc-a', {}, {}, annotations), primary, [], {}).fenced
}

describe('the annotation that fences instances', () => {
  test.each(['["*"]', '["pg-dc-a-1"]'])('%s fences', (annotation) => expect(fenced(annotation)).toBe(true))

  test.each([undefined, '[]'])('%s fences nothing', (annotation) => expect(fenced(annotation)).toBe(false))

  test.each(['null', '{}', '"*"', '7', '', '["*"', 'true'])(
    '%j, which no operator wrote, counts as a fence: the database is seen, and is not taken for an open one',
    (annotation) => expect(fenced(annotation)).toBe(true),
  )
})
