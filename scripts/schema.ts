import { execFileSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { drivers, witnesses } from '../src/drivers/registry.ts'
import { publishedSchema } from '../src/stack/schema.ts'

/** Writes the schema that editors read; with --check, only says whether the committed one is what the drivers say. */
const root = join(import.meta.dirname, '..')
const path = join(root, 'schema', 'stack.schema.json')
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const schema = publishedSchema(drivers, witnesses)

if (!values.check) {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, JSON.stringify(schema))
  execFileSync(process.execPath, [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'format', '--write', path], {
    cwd: root,
    stdio: 'inherit',
  })
} else if (
  !isDeepStrictEqual(JSON.parse(await readFile(path, 'utf8').catch(() => 'null')), JSON.parse(JSON.stringify(schema)))
) {
  console.error('schema/stack.schema.json is not what the drivers say. Run: node scripts/schema.ts')
  process.exitCode = 1
}
