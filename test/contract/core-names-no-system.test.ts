import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { drivers } from '../../src/drivers/registry.ts'
import { platforms } from '../../src/platform/registry.ts'

/**
 * The core asks platforms and drivers, and names none of them: a system is added without a change in it. What is still
 * named stands in the list below with its reason, and the list only becomes shorter.
 */
const root = resolve(import.meta.dirname, '../..')
const CORE = ['stack', 'observation', 'planning', 'approval', 'execution', 'verification', 'evidence', 'operations']

/**
 * What belongs to one platform, one kind of store or one system; the names of drivers and platforms come from their
 * lists.
 */
const WORDS = [
  'kubectl',
  'kubeconfig',
  'namespace',
  'clusterId',
  'serviceaccount',
  's3',
  'bucket',
  'postgres',
  'postgresql',
  'wal',
  'helm',
  'machine-id',
]
/** Names of drivers that are words of the language, or of the core itself. */
const COMMON_NAMES = ['guard', 'command', 'hosts']

const named = [...WORDS, ...Object.keys(drivers), ...Object.keys(platforms)].filter(
  (name) => !COMMON_NAMES.includes(name),
)
const PATTERN = new RegExp(`(?<![a-z])(${named.join('|')})(?![a-z])|kubernetes|namespace|kubeconfig`, 'i')

interface Allowed {
  readonly file: string
  /** What of a line is allowed; the rest of the line is judged. */
  readonly says: RegExp
  readonly because: string
}
const ALLOWED: readonly Allowed[] = [
  ...['ssh-signature', 'approval-text', 'signed-approval', 'judge-signatures'].map((name) => ({
    file: `approval/${name}.ts`,
    says: /(SIGNATURE_|signature-)?namespace/gi,
    because: 'signatures of OpenSSH have a namespace',
  })),
  {
    file: 'evidence/reports.ts',
    says: /namespace/g,
    because: 'a key of records that are kept: the place of a sandbox',
  },
  { file: 'operations/verify-backup.ts', says: /namespace/g, because: 'that key, and the one that drivers read' },
  {
    file: 'stack/schema.ts',
    says: /kubernetesName/g,
    because: 'a piece of schema for names in labels, used by drivers',
  },
  {
    file: 'execution/isolate-lost-site.ts',
    says: /kubernetes|kubeconfig|Kubernetes API|namespace/g,
    because: 'members of the context of a driver; they become context.platform when the core reads the kit',
  },
]

const files = CORE.flatMap((folder) =>
  readdirSync(join(root, 'src', folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`),
)
const linesOf = (file: string): string[] => readFileSync(join(root, 'src', file), 'utf8').split('\n')
const judged = (file: string, line: string): string =>
  ALLOWED.filter((one) => one.file === file).reduce((left, { says }) => left.replaceAll(says, ''), line)

describe('the core', () => {
  test('names no platform, no store, no database and no driver, in code, texts and comments', () => {
    const found = files.flatMap((file) =>
      linesOf(file).flatMap((line, at) =>
        PATTERN.test(judged(file, line)) ? [`${file}:${at + 1}: ${line.trim()}`] : [],
      ),
    )
    expect(found).toEqual([])
  })

  test.each(ALLOWED.map((one) => [one.file, one.because, one] as const))(
    'what %s is allowed (%s) is still there: else the list becomes shorter',
    (file, _because, { says }) => {
      expect(linesOf(file).some((line) => new RegExp(says.source, says.flags.replace('g', '')).test(line))).toBe(true)
    },
  )

  test('imports of the platforms only their contract and their registry', () => {
    const found = files.flatMap((file) =>
      linesOf(file).flatMap((line) => {
        const to = /from '.*\/platform\/([^']+)'/.exec(line)?.[1]
        return to === undefined || !to.includes('/') ? [] : [`${file} imports ${to}`]
      }),
    )
    expect(found).toEqual([])
  })
})
