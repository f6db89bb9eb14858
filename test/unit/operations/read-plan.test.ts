import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import type { Plan } from '../../../src/domain/plan.ts'
import { readPlan } from '../../../src/operations/read-plan.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
import { planText } from '../../support/small-stack.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const folder = temporaryFolder()
const fileWith = (text: string): string => {
  const file = join(folder, 'plan.json')
  writeFileSync(file, text)
  return file
}

test('a plan that was downloaded from the witness has the digest that was approved', async () => {
  const plan = JSON.parse(planText()) as Plan
  const downloaded = fileWith(JSON.stringify({ ...plan, writeId: '5c3a' }))
  expect(digestOf(await readPlan(downloaded, null))).toBe(digestOf(plan))
})

test.each(['[]', 'null', '"plan"', '{}', 'apiVersion: v1'])('a file with %s is refused as no plan', async (text) => {
  await expect(readPlan(fileWith(text), null)).rejects.toMatchObject({ code: 'plan-invalid' })
})
