import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A driver that is to be written. */
export interface NewDriver {
  /** As in `driver:` of the stack file: `consul-key`. */
  readonly kind: string
  /** Whether its component exists once for the stack, or once per site. */
  readonly scope: Scope
  readonly capabilities: readonly Capability[]
}
export const SCOPES = ['stack', 'site'] as const
export type Scope = (typeof SCOPES)[number]
/** What it can do beside declaring itself, being observed and being assessed. */
export const CAPABILITIES = {
  stack: ['moves', 'fences', 'deploys', 'liveness'],
  site: ['moves', 'fences', 'deploys', 'losses', 'backups', 'liveness'],
} as const
export type Capability = (typeof CAPABILITIES)[Scope][number]

/** Files that only drivers with one capability have, by the first part of their name. */
const FILES_OF: Readonly<Record<string, Capability>> = {
  actions: 'moves',
  backup: 'backups',
  close: 'fences',
  deploy: 'deploys',
  'liveness-signals': 'liveness',
  loss: 'losses',
}

const templates = join(import.meta.dirname)

/** Path below the repository → content of each file of a new driver. */
export async function filesOf(driver: NewDriver): Promise<ReadonlyMap<string, string>> {
  const folder = join(templates, driver.scope)
  const names = (await readdir(folder)).filter((name) => {
    const needed = FILES_OF[name.split('.')[0] ?? '']
    return needed === undefined || driver.capabilities.includes(needed)
  })
  const files = await Promise.all(
    names.map(async (name): Promise<[string, string]> => {
      const template = await readFile(join(folder, name), 'utf8')
      return [pathOf(name.replace(/\.template$/, ''), driver.kind), filled(template, driver)]
    }),
  )
  return new Map(files)
}

function pathOf(file: string, kind: string): string {
  if (file === 'fixture.ts') return `test/conformance/fixtures/${kind}.ts`
  if (file === 'test.ts') return `test/unit/drivers/${kind}/driver.test.ts`
  if (file.endsWith('.test.ts')) return `test/unit/drivers/${kind}/${file}`
  if (file === 'page.md') return `docs/drivers/${kind}.md`
  return `src/drivers/${kind}/${file}`
}

/**
 * The text of a template. A line that ends with `//? moves` is for drivers with that capability alone, one that ends
 * with `//! moves` for all others. `//? moves&!fences|deploys`: with moves and without fences, or with deploys.
 */
function filled(template: string, { kind, capabilities }: NewDriver): string {
  const has = (name: string): boolean => capabilities.some((one) => one === name)
  const holds = (condition: string): boolean =>
    condition
      .split('|')
      .some((all) => all.split('&').every((one) => (one.startsWith('!') ? !has(one.slice(1)) : has(one))))
  return template
    .split('\n')
    .flatMap((line) => {
      const [, text = line, sign, condition = ''] = /^(.*?) ?\/\/([?!]) ([\w|&!]+)$/.exec(line) ?? []
      return sign === undefined || holds(condition) === (sign === '?') ? [text] : []
    })
    .join('\n')
    .replaceAll('__kind__', kind)
    .replaceAll('__name__', nameOf(kind))
    .replaceAll(
      '__Name__',
      nameOf(kind).replace(/^./, (letter) => letter.toUpperCase()),
    )
}

/** `consulKey` of `consul-key`. */
export const nameOf = (kind: string): string =>
  kind.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/** The registry with one driver more. */
export function registered(registry: string, kind: string): string {
  const name = nameOf(kind)
  return replacedOnce(
    replacedOnce(registry, /^import \{ cloudNativePg \}/m, `import { ${name} } from './${kind}/driver.ts'\n$&`),
    /,?\s*\] as unknown as Driver\[\]/,
    `, ${name}] as unknown as Driver[]`,
  )
}

/** The list of the conformance suite's fixtures with one more. */
export function withFixture(fixtures: string, kind: string): string {
  const name = `${nameOf(kind)}Fixture`
  return replacedOnce(
    replacedOnce(fixtures, /^import \{ commandFixture \}/m, `import { ${name} } from './fixtures/${kind}.ts'\n$&`),
    /\n\}\s*$/,
    `\n  '${kind}': ${name},\n}\n`,
  )
}

function replacedOnce(text: string, place: RegExp, by: string): string {
  if (!place.test(text)) throw new Error(`no place for the new driver: ${place}`)
  return text.replace(place, by)
}
