import { parseArgs } from 'node:util'
import { deployedStack } from '../deployed-stack.ts'
import { endWith } from '../end-with.ts'
import { judgeSoak, soakTable } from './judge-soak.ts'
import { soak } from './soak.ts'

/**
 * `npm run soak -- --count 20 --failovers 2`, on the running lab. Exit code 0 only if every move ended and nothing
 * grew.
 */
const { values } = parseArgs({
  options: { count: { type: 'string', default: '20' }, failovers: { type: 'string', default: '2' } },
})

async function main(): Promise<number> {
  const wishes = { count: Number(values.count), failovers: Number(values.failovers) }
  const moves = await soak(await deployedStack(), wishes, (line) => process.stdout.write(`${line}\n`))
  const failures = judgeSoak(moves)
  process.stdout.write(`\n${soakTable(moves)}\n${failures.length === 0 ? 'Nothing grew.' : failures.join('\n')}\n`)
  return failures.length === 0 ? 0 : 1
}

endWith(main())
