import { NODE_TOO_OLD, OLDEST_NODE } from '../src/runtime/oldest-node.ts'

/*
 * The entry points in `dist/`, as text. Any version of Node since 14 must be able to read them: a static import of the bundle
 * is parsed before the first line runs, and an old Node prints a page of the bundle instead of a sentence.
 */

/** Ends the process with one sentence where Node is too old; nothing else of the bundle is loaded before. */
export const NODE_VERSION_STUB = `/** Whether this Node is too old; says so. */
export function nodeIsTooOld() {
  const found = process.versions.node
  if (Number(found.split('.')[0]) >= ${OLDEST_NODE}) return false
  const sentence = 'this is Node ' + found + ', and ' + ${JSON.stringify(NODE_TOO_OLD.what)}
  const next = ${JSON.stringify(NODE_TOO_OLD.next)}
  if (process.env.GITHUB_ACTIONS === 'true') console.log('::error::${NODE_TOO_OLD.code}: ' + sentence + '. ' + next)
  else console.error('standby: ${NODE_TOO_OLD.code}\\n  ' + sentence + '\\n  next:  ' + next)
  process.exitCode = 2
  return true
}
`

export const actionStub = (action: string): string => stub('', `runAction`, `'${action}'`)
export const CLI_STUB = stub('#!/usr/bin/env node\n', 'runCli', '')

function stub(first: string, run: string, argument: string): string {
  return `${first}import { nodeIsTooOld } from './node-version.js'

if (!nodeIsTooOld()) {
  const { ${run} } = await import('./standby.js')
  await ${run}(${argument})
}
`
}
