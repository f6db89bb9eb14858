import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

const KEBAB = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/

/** Names of properties that hold a reason code. */
const PROPERTIES = new Set(['code', 'reasonCode'])

/**
 * Every stable code that the sources can end with → the files that do: what is said as `code:`, and what is passed
 * where a function calls its parameter `code`. A template is found as its beginning and `*`.
 */
export function reasonCodesIn(folder: string): Map<string, string[]> {
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({
      name,
      tree: ts.createSourceFile(name, readFileSync(join(folder, name), 'utf8'), ts.ScriptTarget.ES2023, true),
    }))
  const exported = new Map<string, number>()
  for (const { tree } of sources) for (const [name, index] of takersOf(tree)) exported.set(name, index)
  const found = new Map<string, string[]>()
  for (const { name, tree } of sources)
    for (const code of codesOf(tree, exported)) found.set(code, [...new Set([...(found.get(code) ?? []), name])])
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Functions with a parameter named `code`, and which one it is. */
function takersOf(tree: ts.SourceFile): Map<string, number> {
  const takers = new Map<string, number>()
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) {
      const index = node.parameters.findIndex((parameter) => parameter.name.getText(tree) === 'code')
      const named = ts.isFunctionDeclaration(node)
        ? node.name
        : ts.isVariableDeclaration(node.parent)
          ? node.parent.name
          : undefined
      if (index >= 0 && named !== undefined) takers.set(named.getText(tree), index)
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return takers
}

function codesOf(tree: ts.SourceFile, takers: ReadonlyMap<string, number>): string[] {
  const codes: string[] = []
  const take = (value: ts.Expression | undefined): void => {
    if (value === undefined) return
    if (ts.isStringLiteral(value) && KEBAB.test(value.text)) codes.push(value.text)
    else if (ts.isTemplateExpression(value)) codes.push(`${value.head.text}*`)
    else if (ts.isConditionalExpression(value)) for (const branch of [value.whenTrue, value.whenFalse]) take(branch)
    else if (ts.isParenthesizedExpression(value) || ts.isAsExpression(value)) take(value.expression)
    else if (ts.isBinaryExpression(value) && value.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken)
      for (const side of [value.left, value.right]) take(side)
  }
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && PROPERTIES.has(node.name.getText(tree))) take(node.initializer)
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const index = takers.get(node.expression.text)
      if (index !== undefined) take(node.arguments[index])
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return codes
}
