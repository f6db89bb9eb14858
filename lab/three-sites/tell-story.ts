import { deployedStack } from '../deployed-stack.ts'
import { judgeLedger } from '../ledger/judge-ledger.ts'
import { runLab } from '../run-lab.ts'
import { judgeStory } from './judge-story.ts'
import { givenUp, runStory, type ThirdSite } from './run-story.ts'

/**
 * Three sites from a deploy to the last rejoin, logged line by line; the lab is brought up with the third one. Returns
 * the exit code.
 */
export async function tellStory(thirdSite: ThirdSite = 'answers'): Promise<number> {
  const started = performance.now()
  const say = (line: string): void =>
    void process.stderr.write(`\n== ${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}\n`)
  await runLab('up', '--sites', '3')
  say('the stack is deployed on three sites')
  const facts = await runStory(await deployedStack({ sites: 3 }), thirdSite, say)
  const failures = judgeStory(facts)
  const { acknowledged, lostAcknowledged } = judgeLedger(facts.entries, facts.ids)
  const without = givenUp(facts.failover.executed)
  process.stdout.write(
    [
      '',
      `${acknowledged} writes acknowledged, ${lostAcknowledged.length} lost with the failover; it went on without ${without.join(', ') || 'nothing'}`,
      failures.length === 0
        ? 'Three sites kept every promise.'
        : `BROKEN:\n${failures.map((line) => `  - ${line}`).join('\n')}`,
      '',
    ].join('\n'),
  )
  return failures.length === 0 ? 0 : 1
}
