import { expect, test } from '@jest/globals'
import type { SiteName } from '../../../src/domain/stack.ts'
import { planCommand } from '../../../src/planning/plan-command.ts'
import { durationInput, hours, minutes, parseDuration, seconds } from '../../../src/values/duration.ts'

const ends = { from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }

test('the command that plans a move anew asks for the same move: mode, target, and the loss that was accepted', () => {
  expect(planCommand({ mode: 'switchover', ...ends })).toBe('standby failover plan --mode switchover --to dc-b')
  expect(planCommand({ mode: 'failover', ...ends, acceptLoss: minutes(35) })).toBe(
    'standby failover plan --mode failover --to dc-b --accept-data-loss 35m',
  )
  expect(planCommand({ mode: 'failover', ...ends, acceptLoss: 'unknown' })).toBe(
    'standby failover plan --mode failover --to dc-b --accept-data-loss unknown',
  )
})

test('a duration is written as it is read', () => {
  for (const ms of [1, 90, 1_500, seconds(90), minutes(35), hours(2), hours(48)])
    expect(parseDuration(durationInput(ms))).toBe(ms)
})
