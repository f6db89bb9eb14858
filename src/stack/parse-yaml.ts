import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  Lexer,
  LineCounter,
  parseAllDocuments,
  visit,
} from 'yaml'
import { isObject, type Json } from '../values/json.ts'
import { type Problem, StackInvalid } from './problems.ts'

/**
 * More than any stack file needs, and fewer than the parser reads in a second: 50 components on 3 sites are 9,000
 * tokens.
 */
const MOST_BYTES = 1024 * 1024
const MOST_TOKENS = 20_000
const DEEPEST = 32
const MOST_ESCAPES = 1_000
/** A broken line breaks the lines after it: the first errors say what to mend. */
const MOST_ERRORS = 20

/** A parsed text that knows the place of each value. */
export interface YamlText {
  readonly value: Json
  placeOf(path: readonly (string | number)[], atKey: boolean): Place
}
interface Place {
  readonly line: number | null
  readonly column: number | null
}

/**
 * Parses one YAML 1.2 document, without aliases, tags of its own or duplicate keys. Throws {@link StackInvalid} with
 * all syntax errors.
 */
export function parseYaml(text: string, path: string): YamlText {
  const lines = new LineCounter()
  const place = (offset: number | undefined): Place => {
    if (offset === undefined) return { line: null, column: null }
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const refuse = (what: string, offset?: number): never => {
    throw new StackInvalid(path, text, [{ path: '', what, suggestion: null, ...place(offset) }])
  }
  const excess = excessOf(text)
  if (excess !== null) return refuse(excess)
  // Duplicate keys are found here, because the parser compares each key of a mapping with every other one.
  const options = {
    lineCounter: lines,
    uniqueKeys: false,
    prettyErrors: false,
    version: '1.2',
    schema: 'core',
  } as const
  const documents = withinStack(() => parseAllDocuments(text, options))
  if (documents === null) return refuse('the file is nested too deeply')
  const [document, second] = Array.isArray(documents) ? documents : []
  if (document === undefined) return refuse('the file is empty')
  if (second !== undefined) return refuse('the file holds more than one document', second.range[0])
  const errors = syntaxErrors(document)
  if (errors.length > 0) {
    const problems = errors.map(({ what, offset }): Problem => ({ path: '', what, suggestion: null, ...place(offset) }))
    throw new StackInvalid(path, text, problems.slice(0, MOST_ERRORS))
  }
  const value = document.toJS() as Json
  if (!isObject(value))
    return refuse('the file must be a mapping that begins with `standby: 1`', offsetOf(document.contents))
  return { value, placeOf: (at, atKey) => place(offsetAt(document, at, atKey)) }
}

/** Refuses texts that no stack file needs and that keep the parser busy; the lexer finds them quickly. */
function excessOf(text: string): string | null {
  if (Buffer.byteLength(text) > MOST_BYTES) return 'the file is larger than 1 MiB'
  let [tokens, open, indicators] = [0, 0, 0]
  for (const token of new Lexer().lex(text)) {
    if (++tokens > MOST_TOKENS) return `the file has more than ${MOST_TOKENS} tokens`
    if (token === '[' || token === '{') open++
    if (token === ']' || token === '}') open--
    if (token === '-' || token === '?') indicators++
    else if (token.trim() !== '') indicators = 0
    // The parser reports a single surplus bracket with its place.
    if (open < -DEEPEST) return 'the file closes many brackets that it never opened'
    if (open > DEEPEST || indicators > DEEPEST) return 'the file is nested too deeply'
  }
  let escapes = 0
  for (let at = text.indexOf('\\'); at !== -1; at = text.indexOf('\\', at + 1))
    if (++escapes > MOST_ESCAPES) return `the file has more than ${MOST_ESCAPES} backslashes`
  return null
}

/** Null where the nesting exhausts the call stack. */
function withinStack<T>(parse: () => T): T | null {
  try {
    return parse()
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** Uses our own messages: the parser's messages quote the text, which may be a secret. */
const wordsOf = ({ code }: { readonly code: string }): string => WORDS[code] ?? 'this is not valid YAML'
const WORDS: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias can have no properties',
  BAD_ALIAS: 'anchors and aliases are not allowed: write the value out',
  BAD_DIRECTIVE: 'a line that begins with % is a directive, and is not allowed here',
  BAD_DQ_ESCAPE:
    'a backslash in double quotes begins an escape, and there is none like this; write \\\\ or use single quotes',
  BAD_INDENT:
    'the indentation is wrong: keys of one mapping start in one column; or a bracket or a quote before it is not closed',
  BAD_PROP_ORDER: 'an anchor or a tag is in the wrong place',
  BAD_SCALAR_START: 'a value that begins with @ or ` must be quoted',
  BLOCK_AS_IMPLICIT_KEY: 'a mapping or a list cannot begin on this line, after another key',
  BLOCK_IN_FLOW: 'a block cannot be inside brackets',
  DUPLICATE_KEY: 'the key is here twice',
  IMPOSSIBLE: 'this is not valid YAML',
  KEY_OVER_1024_CHARS: 'a key is longer than 1,024 characters',
  MISSING_CHAR: 'a bracket, a quote, a comma or a colon is missing',
  MULTILINE_IMPLICIT_KEY:
    'a key must be on one line; most likely the colon is missing, or a value goes on without indentation',
  MULTIPLE_ANCHORS: 'anchors and aliases are not allowed: write the value out',
  MULTIPLE_DOCS: 'the file holds more than one document',
  MULTIPLE_TAGS: 'a value has more than one tag',
  NON_STRING_KEY: 'a key must be plain text',
  RESOURCE_EXHAUSTION: 'the file is nested too deeply',
  TAB_AS_INDENT: 'tabs do not indent in YAML: use spaces',
  TAG_RESOLVE_FAILED: 'a tag is not allowed',
  UNEXPECTED_TOKEN: 'YAML does not expect this here: one bracket, quote or value too many',
  BAD_COLLECTION_TYPE: 'a mapping or a list has the wrong form',
}

interface SyntaxError {
  readonly what: string
  readonly offset: number | undefined
}

function syntaxErrors(document: Document.Parsed): SyntaxError[] {
  const found: SyntaxError[] = [...document.errors, ...document.warnings].map((error) => ({
    what: wordsOf(error),
    offset: error.pos[0],
  }))
  // One broken place may break several rules with the same message.
  if (found.length > 0)
    return found.filter(
      ({ what, offset }, index) => found.findIndex((one) => one.what === what && one.offset === offset) === index,
    )
  visit(document, {
    Node(_, node) {
      const offset = node.range?.[0]
      // An alias multiplies its target: ten lines can become gigabytes. A stack file needs none.
      if (isAlias(node)) found.push({ what: 'anchors and aliases are not allowed: write the value out', offset })
      else if (node.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:'))
        found.push({ what: `the tag ${node.tag} is not allowed`, offset })
      else if (isScalar(node) && typeof node.value === 'number' && !Number.isFinite(node.value))
        found.push({ what: `${node.source ?? node.value} is not a number that JSON knows`, offset })
    },
    Map(_, map) {
      const keys = new Set<string>()
      for (const { key } of map.items) {
        const name = isScalar(key) ? String(key.value) : null
        if (name === null) found.push({ what: 'a key must be plain text', offset: offsetOf(key) ?? map.range?.[0] })
        else if (keys.has(name)) found.push({ what: `the key ${name} is here twice`, offset: offsetOf(key) })
        else keys.add(name)
      }
    },
  })
  return found
}

/** The offset of a value or its key; for a missing one, that of the nearest enclosing value. */
function offsetAt(document: Document.Parsed, path: readonly (string | number)[], atKey: boolean): number | undefined {
  let node: unknown = document.contents
  let offset = offsetOf(node)
  for (const [index, segment] of path.entries()) {
    const pair: unknown = isMap(node)
      ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(segment))
      : undefined
    const isLast = index === path.length - 1
    if (isPair(pair)) {
      // A mapping's own offset is that of its first entry, far from the name that people look for.
      node = pair.value
      offset = (isLast && !atKey && !isMap(node) ? offsetOf(node) : undefined) ?? offsetOf(pair.key)
    } else {
      node = isNode(node) && 'get' in node ? node.get(segment as never, true) : undefined
      if (node === undefined) return offset
      offset = offsetOf(node) ?? offset
    }
  }
  return offset
}

const offsetOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined)
