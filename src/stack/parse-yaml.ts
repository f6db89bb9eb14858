import { isAlias, isMap, isNode, isScalar, LineCounter, type Node, Pair, parseAllDocuments, visit } from 'yaml'
import type { Json } from '../json.ts'
import { type Problem, StackInvalid } from './problems.ts'

/** More than any stack file needs, less than what makes a parser slow. */
const LARGEST = 1024 * 1024

/** A parsed text that still knows where each value stands. */
export interface YamlText {
  readonly value: Json
  placeOf(path: readonly (string | number)[], atKey: boolean): { readonly line: number | null; readonly column: number | null }
}

/** Parses one YAML document, without anchors, tags or duplicate keys. Throws {@link StackInvalid} with all syntax errors. */
export function parseYaml(text: string, path: string): YamlText {
  const refuse = (what: string, at: Partial<Problem> = {}): never => {
    throw new StackInvalid(path, text, [{ path: '', what, line: null, column: null, suggestion: null, ...at }])
  }
  if (Buffer.byteLength(text) > LARGEST) refuse('the file is larger than 1 MiB')
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, strict: true, version: '1.2', schema: 'core' })
  const document = Array.isArray(documents) ? documents[0] : undefined
  if (document === undefined) return refuse('the file is empty')
  if (Array.isArray(documents) && documents.length > 1) refuse('the file holds more than one document')
  const place = (offset: number | undefined): { line: number | null; column: number | null } => {
    if (offset === undefined) return { line: null, column: null }
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const syntax = document.errors.map((error): Problem => {
    const firstLine = error.message.split('\n')[0] ?? error.code
    return { path: '', what: firstLine.replace(/ at line \d+, column \d+:?$/, ''), suggestion: null, ...place(error.pos[0]) }
  })
  // An alias multiplies what it points at: ten lines can become gigabytes. A stack file needs none.
  visit(document, {
    Node(_, node) {
      const offset = node.range?.[0]
      if (isAlias(node)) syntax.push({ path: '', what: 'anchors and aliases are not allowed', suggestion: null, ...place(offset) })
      else if (node.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:'))
        syntax.push({ path: '', what: `the tag ${node.tag} is not allowed`, suggestion: null, ...place(offset) })
    },
  })
  if (syntax.length > 0) throw new StackInvalid(path, text, syntax)
  const value = document.toJS() as Json
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse('the file must be a mapping that begins with `standby: 1`')
  return {
    value,
    placeOf(at, atKey) {
      const parent = at.length === 0 ? document.contents : document.getIn(at.slice(0, -1), true)
      const last = at.at(-1)
      if (isMap(parent) && last !== undefined) {
        const pair = parent.items.find((item) => item instanceof Pair && isScalar(item.key) && String(item.key.value) === String(last))
        if (pair !== undefined) return place(offsetOf(atKey || pair.value === null ? pair.key : pair.value))
      }
      const node = document.getIn([...at], true)
      return place(offsetOf(node) ?? offsetOf(parent))
    },
  }
}

const offsetOf = (node: unknown): number | undefined => (isNode(node) ? ((node as Node).range?.[0] ?? undefined) : undefined)
