import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { generatedFiles, outdatedFiles, root, SCHEMA } from './generated.ts'

/**
 * Writes every file that is made from the sources: the schema of the stack file, the pages of reason codes and vantage
 * points, the example runbooks, and the tables of inputs and outputs. With --check: only names those that differ.
 */
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
if (values.check) {
  const outdated = await outdatedFiles()
  if (outdated.length > 0) {
    console.error(`not what the sources say: ${outdated.join(', ')}. Run: npm run generate`)
    process.exitCode = 1
  }
} else {
  for (const [path, content] of await generatedFiles()) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
  execFileSync(process.execPath, [biome, 'format', '--write', join(root, SCHEMA)], { cwd: root, stdio: 'ignore' })
}
