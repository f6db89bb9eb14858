import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { drivers, witnesses } from '../src/drivers/registry.ts'
import { publishedSchema } from '../src/stack/schema.ts'
import { exampleRunbooks } from '../test/support/example-runbooks.ts'
import { actionPages, withTablesOf } from './action-tables.ts'
import { reasonCodesPage } from './reason-codes-page.ts'
import { vantagePointsPage } from './vantage-points-page.ts'

export const root = join(import.meta.dirname, '..')
export const SCHEMA = 'schema/stack.schema.json'

/** Path below the repository → content, of every file that is made from the sources. The schema is not formatted. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const runbooks = await exampleRunbooks()
  return new Map([
    [SCHEMA, `${JSON.stringify(publishedSchema(drivers, witnesses))}\n`],
    ['docs/reason-codes.md', reasonCodesPage()],
    ['docs/vantage-points.md', vantagePointsPage()],
    ...Array.from(runbooks, ([file, runbook]) => [`docs/runbooks/${file}`, runbook] as const),
    ...(await Promise.all(
      Object.entries(actionPages).map(
        async ([page, manifest]) => [page, withTablesOf(await read(manifest), await read(page))] as const,
      ),
    )),
  ])
}

/** The generated files whose committed content is another one; the schema is compared as JSON. */
export async function outdatedFiles(): Promise<readonly string[]> {
  const compared = await Promise.all(
    Array.from(await generatedFiles(), async ([path, content]) => {
      const committed = await read(path).catch(() => '')
      return sameContent(path, committed, content) ? [] : [path]
    }),
  )
  return compared.flat()
}

function sameContent(path: string, committed: string, content: string): boolean {
  if (!path.endsWith('.json') || committed === '') return committed === content
  return JSON.stringify(JSON.parse(committed)) === JSON.stringify(JSON.parse(content))
}

const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8')
