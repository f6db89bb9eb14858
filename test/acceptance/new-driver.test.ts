import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, jest, test } from '@jest/globals'
import { temporaryFolder } from '../support/temporary-folder.ts'

// Compilers and a suite of tests, on a machine with other work.
jest.setTimeout(900_000)

const root = join(import.meta.dirname, '..', '..')
const COPIED =
  'src test docs scripts schema actions action.yml stacks lab workflows .github README.md CONTRIBUTING.md package.json package-lock.json tsconfig.json biome.json jest.config.js'
const page = readFileSync(join(root, 'docs/adding-a-driver.md'), 'utf8')

/** The files that the page shows, in its order: first as they were written, later as they are `now`. */
const listings = Array.from(page.matchAll(/^`([^`\n]+)`(, now)?:\n\n```ts\n(.*?)\n```$/gms), ([, path, now, text]) => ({
  path: path as string,
  isLater: now !== undefined,
  text: `${text}\n`,
}))
/** The commands of its first step. */
const [writes = '', ...checks] = Array.from(page.matchAll(/^```sh\n(.*?)\n```$/gms), ([, lines = '']) =>
  lines.split('\n'),
).flat()

/** A copy of this repository: what is written there is seen by no other test. */
function copyOfRepository(): string {
  const copy = temporaryFolder()
  for (const name of COPIED.split(' ')) cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** Runs a line of the page with the Node of this process, as npm and npx do. */
function run(line: string, copy: string): { readonly status: number | null; readonly output: string } {
  // The page sets NODE_OPTIONS for npx; here the program gets its option directly.
  const [, command = ''] = /^(?:NODE_OPTIONS=\S+ )?(.*)$/.exec(line) ?? []
  const words = Array.from(command.matchAll(/'[^']*'|\S+/g), ([word]) => word.replaceAll("'", ''))
  const args = line.startsWith('npm run new-driver -- ')
    ? ['scripts/new-driver.ts', ...words.slice(4)]
    : programOf(words[1] ?? '', copy).concat(words.slice(2))
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' })
  return { status, output: `${stdout}${stderr}` }
}
function programOf(name: string, copy: string): string[] {
  const modules = join(root, 'node_modules')
  if (name === 'tsc') return [join(modules, 'typescript/bin/tsc')]
  if (name === 'biome') return [join(modules, '@biomejs/biome/bin/biome')]
  return ['--experimental-vm-modules', join(modules, 'jest/bin/jest.js'), '--maxWorkers=2', '--rootDir', copy]
}

/** Shows the end of its output where it fails. */
function expectSuccess(line: string, copy: string): void {
  const { status, output } = run(line, copy)
  expect({ line, status, output: status === 0 ? '' : output.slice(-4_000) }).toEqual({ line, status: 0, output: '' })
}

describe('a driver that is written as the page says', () => {
  let copy: string
  let written: string
  beforeAll(() => {
    copy = copyOfRepository()
    const { status, output } = run(writes, copy)
    expect({ status, output }).toMatchObject({ status: 0 })
    written = output
  })

  test('is what the page shows', () => {
    const first = listings.filter(({ isLater }) => !isLater)
    expect(first.length).toBeGreaterThan(4)
    for (const { path, text } of first) {
      expect(written).toContain(path)
      expect({ path, text: readFileSync(join(copy, path), 'utf8') }).toEqual({ path, text })
    }
  })

  test('passes types, lint and conformance at once, and so do drivers of either scope with each capability', () => {
    // Each capability with and without those that its lines in the templates depend on.
    const others = [
      'seen-site site',
      'seen-stack stack liveness',
      'seen-site-moves site moves liveness',
      'seen-site-data site deploys losses backups',
      'seen-site-all site moves fences deploys losses backups liveness',
      'seen-stack-deploys stack deploys',
      'seen-stack-all stack moves fences deploys liveness',
    ]
    for (const other of others) {
      const { status, output } = run(`npm run new-driver -- ${other}`, copy)
      expect({ other, status, output: status === 0 ? '' : output }).toEqual({ other, status: 0, output: '' })
    }
    expect(checks.length).toBe(3)
    const everyKind = checks.map((line) =>
      line
        .replace('-t consul', "-t 'consul|seen-|every driver'")
        .replace(/ test\/unit\/drivers\/consul-key$/, (path) =>
          line.includes('jest') ? " 'test/unit/drivers/(consul-key|seen-)'" : path,
        ),
    )
    for (const line of everyKind) expectSuccess(line, copy)
  })

  test('passes them as the real driver that the page makes of it', () => {
    const later = listings.filter(({ isLater }) => isLater)
    expect(later.length).toBeGreaterThan(4)
    for (const { path, text } of later) writeFileSync(join(copy, path), text)
    execFileSync(process.execPath, ['scripts/generate.ts'], { cwd: copy })
    for (const line of checks) expectSuccess(line, copy)
  })

  test('is refused before anything is written where it exists, or where the arguments are wrong', () => {
    const before = readFileSync(join(copy, 'src/drivers/registry.ts'), 'utf8')
    const refused: readonly (readonly [string, string])[] = [
      [writes, 'exists already'],
      ['npm run new-driver -- Consul stack', 'Consul is no kind'],
      ['npm run new-driver -- other', 'is no scope'],
      ['npm run new-driver -- other stack backups', 'backups is not written for the scope stack'],
      ['npm run new-driver -- other site fences', 'fences needs moves'],
      ['npm run new-driver -- ', 'the kind of the driver is missing'],
    ]
    for (const [line, why] of refused)
      expect(run(line, copy)).toMatchObject({ status: 2, output: expect.stringContaining(why) })
    expect(readFileSync(join(copy, 'src/drivers/registry.ts'), 'utf8')).toBe(before)
  })
})
