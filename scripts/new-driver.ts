import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  CAPABILITIES,
  type Capability,
  filesOf,
  type NewDriver,
  registered,
  SCOPES,
  withFixture,
} from './new-driver/driver-files.ts'

/**
 * Writes a driver that passes types, lint and the conformance suite at once, to be made real step by step: `npm run
 * new-driver -- <kind> <stack|site> [capability…]`. docs/adding-a-driver.md walks through one. Refuses before it writes
 * anything.
 */
const root = process.cwd()
const REGISTRY = 'src/drivers/registry.ts'
const FIXTURES = 'test/conformance/fixtures.ts'
const USAGE = SCOPES.map((scope) => `npm run new-driver -- <kind> ${scope} [${CAPABILITIES[scope].join('] [')}]`).join(
  '\n       ',
)

const asked = judge(process.argv.slice(2))
if (typeof asked === 'string') {
  console.error(`${asked}\nUsage: ${USAGE}`)
  process.exit(2)
}
const files = await filesOf(asked)
const taken = [`src/drivers/${asked.kind}`, ...files.keys()].filter((path) => existsSync(join(root, path)))
if (taken.length > 0) {
  console.error(`nothing is written: ${taken.join(', ')} exists already`)
  process.exit(2)
}
const all = new Map([
  ...files,
  [REGISTRY, registered(await readFile(join(root, REGISTRY), 'utf8'), asked.kind)],
  [FIXTURES, withFixture(await readFile(join(root, FIXTURES), 'utf8'), asked.kind)],
])
for (const [path, content] of all) {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), content)
}
const node = (...args: string[]): void =>
  void execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
node(
  'node_modules/@biomejs/biome/bin/biome',
  'check',
  '--write',
  ...[...all.keys()].filter((path) => path.endsWith('.ts')),
)
node('scripts/generate.ts')
for (const path of all.keys()) console.log(path)

/** The driver that the arguments ask for; a text says what is wrong with them. */
function judge([kind, scope, ...capabilities]: readonly string[]): NewDriver | string {
  if (kind === undefined) return 'the kind of the driver is missing'
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(kind)) return `${kind} is no kind: lower case, digits and hyphens`
  const known = SCOPES.find((one) => one === scope)
  if (known === undefined) return `${scope ?? 'nothing'} is no scope: once for the stack, or once per site`
  const offered: readonly string[] = CAPABILITIES[known]
  const unknown = capabilities.filter((one) => !offered.includes(one))
  if (unknown.length > 0)
    return `${unknown.join(', ')} is not written for the scope ${known}: src/driver/capabilities.ts says what it promises`
  if (capabilities.includes('fences') && !capabilities.includes('moves'))
    return 'fences needs moves: what a fence shuts, a move opens again'
  return { kind, scope: known, capabilities: capabilities as Capability[] }
}
