import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { bundle, type Files } from './bundle.ts'

const dist = join(import.meta.dirname, '..', 'dist')
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const began = performance.now()
const files = await bundle()
const differences = values.check ? await compare(files) : await write(files)
report(files, differences)
process.exitCode = differences.length === 0 ? 0 : 1

/** What `dist/` and a fresh build do not share; empty when a rebuild is the commit, byte for byte. */
async function compare(built: Files): Promise<string[]> {
  const present = await readdir(dist).catch((): string[] => [])
  const changed = await Promise.all(
    Array.from(built, async ([name, content]) =>
      present.includes(name) && (await readFile(join(dist, name), 'utf8')) === content
        ? []
        : [`${name} ${present.includes(name) ? 'differs' : 'is missing'}`],
    ),
  )
  return [
    ...changed.flat(),
    ...present.filter((name) => !built.has(name)).map((name) => `${name} is not of this build`),
  ]
}

async function write(built: Files): Promise<string[]> {
  await rm(dist, { recursive: true, force: true })
  await mkdir(dist)
  for (const [name, content] of built) await writeFile(join(dist, name), content)
  await chmod(join(dist, 'cli.js'), 0o755)
  return []
}

function report(built: Files, differences: readonly string[]): void {
  for (const [name, content] of built) console.log(`${String(Buffer.byteLength(content)).padStart(9)}  dist/${name}`)
  const bytes = Array.from(built.values()).reduce((sum, content) => sum + Buffer.byteLength(content), 0)
  console.log(`${String(bytes).padStart(9)}  in ${((performance.now() - began) / 1_000).toFixed(1)} s`)
  if (differences.length > 0)
    console.error(`${relative('.', dist)} is not what the sources make: ${differences.join(', ')}. Run: npm run build`)
  else if (values.check) console.log('a rebuild equals dist/')
}
