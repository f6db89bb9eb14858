import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from '@jest/globals'

const root = resolve(import.meta.dirname, '../..')

interface Import {
  readonly from: string
  readonly to: string
  /** Types vanish at run time, but they show which module knows which. */
  readonly typeOnly: boolean
}

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('src', name))

const imports: Import[] = sources.flatMap((from) =>
  [
    ...readFileSync(join(root, from), 'utf8').matchAll(
      /^(?:import|export)\s+(type\s+)?(?:[\s\S]*?from\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm,
    ),
  ].map((match) => {
    const target = match[2] ?? match[3] ?? ''
    return {
      from,
      to: target.startsWith('.') ? relative(root, resolve(root, dirname(from), target)) : target,
      typeOnly: match[1] !== undefined,
    }
  }),
)

const under =
  (folder: string) =>
  (name: string): boolean =>
    name.startsWith(`src/${folder}/`)
/**
 * `src/planning`; each driver, platform and system is a folder of its own, and so is a file directly in `src`, or
 * beside them: a contract below them, a registry above.
 */
const folderOf = (name: string): string => /^src\/(?:(?:drivers|platform|systems)\/[^/]+|[^/]+)/.exec(name)?.[0] ?? name
const offenders = (rule: (one: Import) => boolean): string[] =>
  imports.filter(rule).map((one) => `${one.from} imports ${one.to}`)

/** The one place that names drivers. */
const REGISTRY = 'src/drivers/registry.ts'
const ENTRY = 'src/entry.ts'
const ENTRY_POINTS = ['actions', 'cli']
const CORE = [
  'domain',
  'driver',
  'stack',
  'witness',
  'observation',
  'planning',
  'approval',
  'execution',
  'verification',
  'evidence',
  'guard',
  'operations',
]

describe('the arrows of the architecture', () => {
  test('the core imports no driver', () => {
    expect(offenders((one) => CORE.some((folder) => under(folder)(one.from)) && under('drivers')(one.to))).toEqual([])
  })

  test('folders below all others import only values and errors, and what several drivers know of a platform imports no driver', () => {
    expect(
      offenders(
        (one) => under('domain')(one.from) && !['domain', 'errors', 'values'].some((folder) => under(folder)(one.to)),
      ),
    ).toEqual([])
    expect(offenders((one) => under('platform')(one.from) && under('drivers')(one.to))).toEqual([])
  })

  test('what the operations stand on imports nothing of them, of the evidence or of an entry point, not even a type', () => {
    const above = ['evidence', 'reporting', 'operations', 'composition', ...ENTRY_POINTS]
    const isAbove = (name: string): boolean => name === ENTRY || above.some((folder) => under(folder)(name))
    expect(offenders((one) => !isAbove(one.from) && isAbove(one.to))).toEqual([])
  })

  test('evidence imports nothing of operations or entry points, and operations nothing of entry points, not even a type', () => {
    const above = {
      evidence: ['reporting', 'operations', ...ENTRY_POINTS],
      reporting: ['operations', ...ENTRY_POINTS],
      operations: ENTRY_POINTS,
    }
    for (const [folder, folders] of Object.entries(above))
      expect(offenders((one) => under(folder)(one.from) && folders.some((name) => under(name)(one.to)))).toEqual([])
  })

  test('drivers import no other driver and no entry point', () => {
    const driverOf = (name: string): string | undefined => /^src\/drivers\/([^/]+)\//.exec(name)?.[1]
    expect(
      offenders((one) => {
        const mine = driverOf(one.from)
        const theirs = driverOf(one.to)
        return (
          one.from !== REGISTRY &&
          mine !== undefined &&
          ((theirs !== undefined && theirs !== mine) || under('actions')(one.to) || under('cli')(one.to))
        )
      }),
    ).toEqual([])
  })

  test('drivers reach nothing but through their context, so that no step of a failover can reach into the lost site', () => {
    const clients = [
      'http-question',
      'sql-question',
      'object-store',
      'process',
      'ssh',
      'trusting-fetch',
      'github',
      'renewed-login',
    ]
    const wires = ['http', 'https', 'http2', 'net', 'tls', 'dgram', 'dns', 'child_process']
    const opens = [...clients.map((name) => `src/clients/${name}.ts`), ...wires.map((name) => `node:${name}`)]
    const isKind = (name: string): boolean => under('drivers')(name) || under('systems')(name)
    expect(
      offenders((one) => isKind(one.from) && !one.typeOnly && opens.includes(one.to) && one.from !== REGISTRY),
    ).toEqual([])
    const fetching = sources
      .filter(isKind)
      .filter((name) => /[^.\w]fetch\(/.test(readFileSync(join(root, name), 'utf8')))
    // The text of a program that runs in a pod.
    expect(fetching).toEqual(['src/systems/application/infisical.ts'])
  })

  test('planning does no I/O: it imports no client, no driver, no execution and no Node module but crypto, for digests', () => {
    expect(
      offenders(
        (one) =>
          under('planning')(one.from) &&
          !one.typeOnly &&
          (under('clients')(one.to) ||
            under('execution')(one.to) ||
            (one.to.startsWith('node:') && one.to !== 'node:crypto')),
      ),
    ).toEqual([])
    const clocks = sources
      .filter(under('planning'))
      .filter((name) => /Date\.now\(|new Date\(\)|Math\.random|await /.test(readFileSync(join(root, name), 'utf8')))
    expect(clocks).toEqual([])
  })

  test('only one module imports the Kubernetes client library', () => {
    expect([
      ...new Set(
        imports.filter((one) => one.to.startsWith('@kubernetes/client-node') && !one.typeOnly).map((one) => one.from),
      ),
    ]).toEqual(['src/platform/kubernetes/client/link.ts'])
  })

  test('only entry points know GitHub Actions', () => {
    expect(offenders((one) => one.to.startsWith('@actions/core') && !under('actions')(one.from))).toEqual([])
  })

  test('no module imports itself through others, not even for a type', () => {
    const next = new Map<string, string[]>()
    for (const one of imports)
      if (one.to.startsWith('src/')) next.set(one.from, [...(next.get(one.from) ?? []), one.to])
    const cycles: string[] = []
    const visit = (name: string, path: readonly string[], finished: Set<string>): void => {
      if (path.includes(name)) cycles.push([...path.slice(path.indexOf(name)), name].join(' → '))
      else if (!finished.has(name)) {
        for (const target of next.get(name) ?? []) visit(target, [...path, name], finished)
        finished.add(name)
      }
    }
    const finished = new Set<string>()
    for (const name of sources) visit(name, [], finished)
    expect(cycles).toEqual([])
  })

  test('no folder imports another one in a circle, not even for a type', () => {
    const between = imports.filter((one) => one.to.startsWith('src/') && folderOf(one.from) !== folderOf(one.to))
    const next = new Map<string, Set<string>>()
    for (const one of between)
      next.set(folderOf(one.from), (next.get(folderOf(one.from)) ?? new Set()).add(folderOf(one.to)))
    const reachableFrom = (folder: string, seen = new Set<string>()): Set<string> => {
      for (const target of next.get(folder) ?? []) if (!seen.has(target)) reachableFrom(target, seen.add(target))
      return seen
    }
    const inCircle = between.filter((one) => reachableFrom(folderOf(one.to)).has(folderOf(one.from)))
    expect(inCircle.map((one) => `${one.from} imports ${one.to}`)).toEqual([])
  })

  test('each folder imports only folders that stand below it in the picture of docs/architecture.md', () => {
    const page = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')
    const picture = /what stands below it:\n\n```text\n([\s\S]*?)\n```/.exec(page)?.[1] ?? ''
    const levels = picture.split('\n').map((line) => line.split(/ {2,}/))
    const folders = [...new Set(sources.flatMap((name) => /^src\/([^/]+)\//.exec(name)?.[1] ?? []))]
    expect(levels.flat().sort()).toEqual(folders.sort())
    const levelOf = (name: string): number => levels.findIndex((line) => line.some((folder) => under(folder)(name)))
    const upwards = imports.filter((one) => {
      const [from, to] = [levelOf(one.from), levelOf(one.to)]
      return from >= 0 && to >= 0 && to <= from && one.from.split('/')[1] !== one.to.split('/')[1]
    })
    expect(upwards.map((one) => `${one.from} imports ${one.to}`)).toEqual([])
  })

  test('a line of a comment has at most 120 columns; the formatter keeps the code within them', () => {
    const long = [...sources].flatMap((name) =>
      readFileSync(join(root, name), 'utf8')
        .split('\n')
        .flatMap((line, at) => (line.length > 120 && /^ *(\* |\/\/ |\/\*\*)/.test(line) ? [`${name}:${at + 1}`] : [])),
    )
    expect(long).toEqual([])
  })
})
