import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import ncc from '@vercel/ncc'
import { build, type Plugin } from 'esbuild'
import { JOIN_OPTIONS } from './join-options.ts'
import { withoutGeneratedApi, withoutUndici } from './left-out.ts'
import { actionStub, CLI_STUB, NODE_VERSION_STUB } from './stubs.ts'

/** Name in `dist/` → content. */
export type Files = ReadonlyMap<string, string>

const root = join(import.meta.dirname, '..')
const actions = ['status', 'deploy', 'failover', 'verify-backup'] as const

/**
 * One bundle for all entry points, a stub for each, and the licences of what is in it.
 *
 * esbuild joins the modules and ncc minifies them and writes the module that a runner loads. ncc alone made 5.7 MB of
 * the same sources: webpack keeps every class that assigns to itself, as the 900 generated API classes of
 * `@kubernetes/client-node` do, and ncc has no setting to leave them out. As ncc then sees one file only, the
 * licences are collected here.
 */
export async function bundle(entry = join(root, 'src', 'entry.ts')): Promise<Files> {
  const joined = join(root, 'build', 'standby.mjs')
  const { metafile } = await build({
    entryPoints: [entry],
    outfile: joined,
    absWorkingDir: root,
    ...JOIN_OPTIONS,
    plugins: [withoutGeneratedApi, withoutUndici, withoutManifest],
    metafile: true,
  })
  const { code, assets } = await ncc(joined, { minify: true, target: 'es2022', quiet: true, cache: false })
  const unexpected = Object.keys(assets).filter((name) => name !== 'package.json')
  if (unexpected.length > 0) throw new Error(`the bundle would need more files: ${unexpected.join(', ')}`)
  return new Map([
    ['standby.js', code],
    ['node-version.js', NODE_VERSION_STUB],
    ...actions.map((action) => [`${action}.js`, actionStub(action)] as const),
    ['cli.js', CLI_STUB],
    // The stubs stay modules wherever this folder is copied to.
    ['package.json', '{ "type": "module" }\n'],
    ['licenses.txt', await licensesOf(Object.keys(metafile.inputs))],
  ])
}

/** Of package.json the bundle needs the version: a tool that only the tests use must not change what runs. */
const withoutManifest: Plugin = {
  name: 'without-manifest',
  setup({ onLoad }) {
    onLoad({ filter: /package\.json$/ }, async ({ path }) => {
      if (path !== join(root, 'package.json')) return
      const { version } = JSON.parse(await readFile(path, 'utf8')) as { readonly version: string }
      return { contents: JSON.stringify({ version }), loader: 'json' }
    })
  },
}

/** The licence of each package that a module of the bundle comes from. */
async function licensesOf(modules: readonly string[]): Promise<string> {
  const folders = new Set(modules.flatMap((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []))
  const texts = await Promise.all(Array.from(folders, (folder) => licenseOf(folder, folders)))
  return texts.toSorted((a, b) => (a < b ? -1 : 1)).join('\n')
}

/**
 * Some packages of AWS bring no text: they have the one of their scope, whose packages come from one repository under
 * one licence. Two that `pg` uses have it in their README.
 */
async function licenseOf(folder: string, all: ReadonlySet<string>): Promise<string> {
  const path = join(root, folder)
  const { name, version, license } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as Record<
    string,
    string
  >
  const scope = /^(.*node_modules\/@[^/]+\/)/.exec(folder)?.[1]
  const others = scope === undefined ? [] : Array.from(all).filter((other) => other.startsWith(scope))
  const file = (await Promise.all([folder, ...others].map(licenseFileIn))).find((found) => found !== null) ?? null
  const text =
    (file === null ? await licenseInReadme(folder) : await readFile(file, 'utf8')) ??
    `The package names the licence ${license} and brings no text of it.`
  if (license === undefined && file === null) throw new Error(`${relative(root, path)} says nothing about its licence`)
  return `${name} ${version}\n${license ?? ''}\n\n${text.trim()}\n`
}

async function licenseFileIn(folder: string): Promise<string | null> {
  const path = join(root, folder)
  const file = (await readdir(path)).toSorted().find((entry) => /^(licen[cs]e|copying)/i.test(entry))
  return file === undefined ? null : join(path, file)
}

/** The text below the heading `License` of a README.md, up to its end; null where there is none. */
async function licenseInReadme(folder: string): Promise<string | null> {
  const readme = await readFile(join(root, folder, 'README.md'), 'utf8').catch(() => '')
  return /^## licen[cs]e\n([\s\S]+)/im.exec(readme)?.[1] ?? null
}
