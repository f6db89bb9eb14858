import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { REASON_CODES } from '../../../src/errors/reason-codes.ts'
import { approvalProblems } from '../../../src/stack/check-approval.ts'
import { judge } from '../../../src/stack/check-schema.ts'
import { approvalSchema } from '../../../src/stack/schema-approval.ts'
import type { Json } from '../../../src/values/json.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/approval.md'), 'utf8')
const tables = page.slice(page.indexOf('## 5. Why it was refused'))
const told = [...tables.matchAll(/^\| [^|]+ \| `([a-z]+(?:-[a-z]+)+)` \| ([^|]+) \|$/gm)]

test('docs/approval.md tells of every reason against an approval, once, and what to do', () => {
  const codes = [
    ...Object.keys(REASON_CODES['Reviewers on GitHub']),
    ...Object.keys(REASON_CODES['Approval without GitHub']),
  ]
  expect(codes.filter((code) => told.filter(([, named]) => named === code).length !== 1)).toEqual([])
  for (const [, code = '', what = ''] of told)
    expect({ code, what: what.trim().length > 5 }).toEqual({ code, what: true })
})

test('docs/approval.md names no reason that does not exist', () => {
  const known = Object.values(REASON_CODES).flatMap((area) => Object.keys(area))
  expect(told.map(([, code = '']) => code).filter((code) => !known.includes(code))).toEqual([])
})

test('every example of the stack file in it is right', () => {
  const examples = [...page.matchAll(/```yaml\n(approval:\n[\s\S]*?)```/g)].map(
    ([, text = '']) => (parse(text) as { approval: Json }).approval,
  )
  expect(examples).toHaveLength(3)
  for (const example of examples)
    expect([...judge(approvalSchema, example, []).problems, ...approvalProblems(example)]).toEqual([])
})
