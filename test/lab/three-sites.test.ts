import { beforeAll, expect, jest, test } from '@jest/globals'
import { type DeployedStack, deployedStack } from '../../lab/deployed-stack.ts'
import { runLab } from '../../lab/run-lab.ts'
import { judgeStory } from '../../lab/three-sites/judge-story.ts'
import { runStory } from '../../lab/three-sites/run-story.ts'

jest.setTimeout(900_000)

let deployed: DeployedStack

beforeAll(async () => {
  await runLab('up', '--sites', '3')
  deployed = await deployedStack({ sites: 3 })
})

test('three sites: a switchover, a failover from its end, and the way back of whoever was lost: all follow, and nothing is lost beyond the plan', async () => {
  expect(judgeStory(await runStory(deployed, () => undefined))).toEqual([])
})
