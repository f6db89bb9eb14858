import { describe, expect, test } from '@jest/globals'
import { refusalOf, replaced, textOfStack } from '../../support/published-stacks.ts'

describe('a secret in a stack file', () => {
  const SECRET = 'hunter2-hunter2'
  const lines = [
    `secretAccesKey: ${SECRET}`,
    `credentials: ${SECRET}`,
    `credentials: { accesKeyId: ${SECRET}, secretAccessKey: { env: X } }`,
    `credentials: { accessKeyId: "${SECRET}", secretAccessKey: ["${SECRET}", ${SECRET}] }`,
    `region: { pasword: ${SECRET} }`,
    `region: [${SECRET}]`,
    `endpoint: https://admin:${SECRET}@store.example`,
    `x: *${SECRET}`,
    `x: !${SECRET} 1`,
    `x: @${SECRET}`,
    `x: "${SECRET}`,
    `x: ${SECRET}: y`,
    `x: 1 # ${SECRET}`,
    `"x: ${SECRET}"`,
    `- ${SECRET}`,
    `x: {a: 1, b: "${SECRET}}`,
    `x: [${SECRET}]]`,
    `%${SECRET}`,
    `x: "\\q${SECRET}"`,
  ]
  test.each(lines)('is in no message, whatever is wrong with its key: %s', (line) => {
    const file = replaced(
      textOfStack('infisical-kubernetes'),
      'witness:\n  driver: s3\n',
      `witness:\n  driver: s3\n  ${line}\n`,
    )
    const refusal = refusalOf(file)
    expect(refusal).not.toBeNull()
    expect(`${refusal?.message} ${JSON.stringify(refusal)}`).not.toContain(SECRET)
  })
})
