import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { deployedStack } from '../../lab/deployed-stack.ts'
import { runLab } from '../../lab/run-lab.ts'
import { judgeStory } from '../../lab/three-sites/judge-story.ts'
import { runStory } from '../../lab/three-sites/run-story.ts'

jest.setTimeout(900_000)

// Not in CI until this is mended: after `redirect` the third site may stream on from the former active site (its
// primary_conninfo names the new one), which counts as a sign of life of the new one, so that its failover is refused.
// A lab of its own: other tests find the two sites that they know, and a witness that names one of them. The next test
// brings that one up.
beforeAll(async () => {
  await runLab('down')
  await runLab('up', '--sites', '3')
})
afterAll(() => runLab('down'))

test('three sites: a switchover, a failover from its end, and the way back of each lost site: all follow, and nothing is lost beyond the plan', async () => {
  expect(judgeStory(await runStory(await deployedStack({ sites: 3 }), 'answers', () => undefined))).toEqual([])
})
