import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { withoutGeneratedApi, withoutUndici } from '../../scripts/left-out.ts'

/**
 * Packages of many modules. Jest loads each module anew for each test file: those that the registry of drivers imports
 * are 1,700, three times as many as our own.
 */
const PACKAGES = [
  '@actions/core',
  '@actions/github',
  '@aws-sdk/credential-provider-http',
  '@aws-sdk/credential-provider-web-identity',
  '@kubernetes/client-node/dist/config.js',
  '@octokit/plugin-retry',
  '@smithy/credential-provider-imds',
  'ajv/dist/2020.js',
  'fast-check',
  'pg',
  'ws',
  'yaml',
] as const

const root = join(import.meta.dirname, '..', '..')

/**
 * Jest's `moduleNameMapper`: each of {@link PACKAGES} → one file with all of its modules. The files are made by the
 * first run after an installation or a change here (a few seconds), and kept in `node_modules/.cache`. Where that
 * folder cannot be written, nothing is mapped, and Jest loads each module by itself.
 */
export async function joinedPackages(): Promise<Record<string, string>> {
  const folder = join(root, 'node_modules', '.cache', 'joined-packages', digestOfInputs())
  if (!existsSync(folder)) {
    try {
      await joinInto(folder)
    } catch (error) {
      if (!isForbidden(error)) throw error
      return {}
    }
  }
  return Object.fromEntries(PACKAGES.map((name) => [`^${name.replaceAll('.', '\\.')}$`, join(folder, fileOf(name))]))
}

const isForbidden = (error: unknown): boolean =>
  ['EACCES', 'EPERM', 'EROFS'].includes(String((error as NodeJS.ErrnoException).code))

const fileOf = (name: string): string => `${name.replaceAll(/[^a-z0-9]+/gi, '-')}.mjs`

function digestOfInputs(): string {
  const hash = createHash('sha256')
  const inputs = [join(root, 'package-lock.json'), join(root, 'scripts', 'left-out.ts'), import.meta.filename]
  for (const path of inputs) hash.update(readFileSync(path))
  return hash.digest('hex').slice(0, 16)
}

/** Two runs may do this at a time: the folder appears whole, and the second one is thrown away. */
async function joinInto(folder: string): Promise<void> {
  const parent = join(folder, '..')
  await mkdir(parent, { recursive: true })
  const draft = await mkdtemp(join(parent, 'draft-'))
  const entries = await Promise.all(
    PACKAGES.map(async (name) => {
      const path = join(draft, fileOf(name).replace('.mjs', '.entry.mjs'))
      await writeFile(path, entryOf(name, Object.keys((await import(name)) as object)))
      return { in: path, out: fileOf(name).replace('.mjs', '') }
    }),
  )
  await build({
    entryPoints: entries,
    outdir: draft,
    outExtension: { '.js': '.mjs' },
    absWorkingDir: root,
    bundle: true,
    // What two of them import stays one module.
    splitting: true,
    chunkNames: 'shared-[hash]',
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifyWhitespace: true,
    external: ['bufferutil', 'utf-8-validate', 'pg-native'],
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'\nconst require = requireFrom(import.meta.url)",
    },
    // As in the bundle.
    plugins: [withoutGeneratedApi, withoutUndici],
    legalComments: 'none',
    logLevel: 'error',
  })
  // Others may test what one user has installed.
  await chmod(draft, 0o755)
  await rename(draft, folder).catch(async (error: NodeJS.ErrnoException) => {
    await rm(draft, { recursive: true })
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
  })
}

/** Names are written out: esbuild does not know those of a CommonJS module. */
function entryOf(name: string, exported: readonly string[]): string {
  const constants = exported
    .filter((one) => one !== 'default' && one !== 'module.exports')
    .map((one) => `export const ${one} = all.${one}`)
  const ofDefault = exported.includes('default') ? ['export default all.default'] : []
  return [`import * as all from '${name}'`, ...constants, ...ofDefault].join('\n')
}
