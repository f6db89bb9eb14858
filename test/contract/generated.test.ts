import { expect, test } from '@jest/globals'
import { withTablesOf } from '../../scripts/action-tables.ts'
import { outdatedFiles } from '../../scripts/generated.ts'

test('every generated file is what the sources say; where one differs: npm run generate', async () => {
  expect(await outdatedFiles()).toEqual([])
})

test('the tables of an action follow its action.yml, and the text around them stays', () => {
  const manifest =
    'inputs: { to: { description: Where to., default: dc-b } }\noutputs: { run: { description: Its id. } }'
  const page = (inputs: string, outputs: string): string =>
    `before\n\n| input | | default |\n| --- | --- | --- |\n${inputs}\nbetween\n\n| output | |\n| --- | --- |\n${outputs}`
  expect(withTablesOf(manifest, page('| `old` | x | |\n', '| `gone` | x |'))).toBe(
    page('| `to` | Where to. | `dc-b` |\n', '| `run` | Its id. |'),
  )
  expect(() => withTablesOf(manifest, 'no table')).toThrow('the page has no table')
})
