import { parse } from 'yaml'

/** Page of an action → its `action.yml`. */
export const actionPages: Readonly<Record<string, string>> = {
  'docs/status.md': 'action.yml',
  'actions/deploy/README.md': 'actions/deploy/action.yml',
  'actions/verify-backup/README.md': 'actions/verify-backup/action.yml',
  'actions/failover/README.md': 'actions/failover/action.yml',
}

interface Manifest {
  readonly inputs: Readonly<Record<string, { readonly description: string; readonly default?: string }>>
  readonly outputs: Readonly<Record<string, { readonly description: string }>>
}

const INPUTS = ['| input | | default |', '| --- | --- | --- |']
const OUTPUTS = ['| output | |', '| --- | --- |']

/** The page with the tables of inputs and outputs that its `action.yml` gives; throws where the page has none. */
export function withTablesOf(actionYaml: string, page: string): string {
  const { inputs, outputs } = parse(actionYaml) as Manifest
  const inputRows = Object.entries(inputs).map(
    ([name, input]) => `| \`${name}\` | ${input.description} | ${input.default ? `\`${input.default}\`` : ''} |`,
  )
  const outputRows = Object.entries(outputs).map(([name, { description }]) => `| \`${name}\` | ${description} |`)
  return withTable(withTable(page, INPUTS, inputRows), OUTPUTS, outputRows)
}

/** Replaces the rows below a table's head. */
function withTable(page: string, head: readonly string[], rows: readonly string[]): string {
  const lines = page.split('\n')
  const begin = lines.findIndex((line, at) => line === head[0] && lines[at + 1] === head[1])
  if (begin < 0) throw new Error(`the page has no table ${head[0]}`)
  const first = begin + head.length
  const after = lines.findIndex((line, at) => at >= first && !line.startsWith('|'))
  return [...lines.slice(0, first), ...rows, ...lines.slice(after < 0 ? lines.length : after)].join('\n')
}
