import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PLANTED_CHANGES, type PlantedChange } from './planted-changes.ts'

/**
 * `npm run test:mutants [-- <text>]`: plants one change at a time into a copy of the sources, and runs the tests that
 * must find it. With a text, only those changes whose promise or file contains it. Ends with 1 where one survives.
 */

const root = join(import.meta.dirname, '..', '..')
const COPIED = ['src', 'test', 'lab', 'scripts', 'schema', 'stacks', 'docs', 'actions', 'workflows', 'action.yml']
const FILES = ['package.json', 'package-lock.json', 'jest.config.js', 'tsconfig.json', 'README.md']

/** A change that makes the tests run for so long is found: no sound run of them takes as long. Milliseconds. */
const LONGEST = 10 * 60_000

type Outcome = 'found' | 'found by time' | 'SURVIVED'

const wanted = process.argv[2] ?? ''
const changes = PLANTED_CHANGES.filter(({ breaks, file }) => `${file} ${breaks}`.includes(wanted))
await refuseUnplantable(changes)

const checkout = await mkdtemp(join(tmpdir(), 'standby-mutants-'))
const survivors: PlantedChange[] = []
try {
  for (const name of [...COPIED, ...FILES]) await cp(join(root, name), join(checkout, name), { recursive: true })
  for (const name of ['node_modules', 'dist', '.git']) await symlink(join(root, name), join(checkout, name))
  const begun = Date.now()
  await refuseFailing()
  for (const [at, change] of changes.entries()) {
    const outcome = await plant(change)
    if (outcome === 'SURVIVED') survivors.push(change)
    process.stdout.write(`${at + 1} of ${changes.length}: ${outcome}: ${change.breaks} (${change.file})\n`)
  }
  const seconds = Math.round((Date.now() - begun) / 1_000)
  process.stdout.write(
    `${changes.length - survivors.length} of ${changes.length} planted changes found, ${seconds} s\n`,
  )
} finally {
  await rm(checkout, { recursive: true, force: true })
}
process.exitCode = survivors.length > 0 ? 1 : 0

/** A list that went stale proves nothing: each text must stand exactly once in its file. */
async function refuseUnplantable(asked: readonly PlantedChange[]): Promise<void> {
  const problems: string[] = []
  for (const { file, find, breaks } of asked) {
    const times = (await readFile(join(root, file), 'utf8').catch(() => '')).split(find).length - 1
    if (times !== 1) problems.push(`${file}: ${breaks}: the text to be replaced stands there ${times} times: ${find}`)
  }
  if (asked.length === 0) problems.push(`no planted change is named like ${wanted}`)
  if (problems.length > 0)
    throw new Error(`test/mutants/planted-changes.ts is not true any more:\n${problems.join('\n')}`)
}

/** Tests that fail without a change find every one. */
async function refuseFailing(): Promise<void> {
  const all = [...new Set(changes.flatMap(({ tests }) => tests))]
  if ((await test(all)) !== 0) throw new Error(`these tests fail without a planted change: ${all.join(' ')}`)
}

async function plant({ file, find, put, tests }: PlantedChange): Promise<Outcome> {
  const path = join(checkout, file)
  const sound = await readFile(path, 'utf8')
  await writeFile(
    path,
    sound.replace(find, () => put),
  )
  try {
    const code = await test([...tests])
    if (code === null) return 'found by time'
    return code === 0 ? 'SURVIVED' : 'found'
  } finally {
    await writeFile(path, sound)
  }
}

/** The exit code of Jest; null where it did not end in time. The first failure ends it. */
function test(patterns: readonly string[]): Promise<number | null> {
  const jest = join(checkout, 'node_modules', 'jest', 'bin', 'jest.js')
  const args = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest]
  const child = spawn(
    process.execPath,
    [...args, '--selectProjects', 'unit', 'model', '--bail', '--silent', '--reporters', 'summary', '--', ...patterns],
    {
      cwd: checkout,
      env: { ...process.env, STANDBY_ALL_ROUNDS: '1' },
      stdio: 'ignore',
      timeout: LONGEST,
      killSignal: 'SIGKILL',
    },
  )
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code))
  })
}
