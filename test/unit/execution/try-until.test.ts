import { describe, expect, test } from '@jest/globals'
import { type Retry, siteError } from '../../../src/errors/standby-error.ts'
import { patienceOf } from '../../../src/waiting/deadline.ts'
import { pauseAfter, tryUntil } from '../../../src/waiting/try-until.ts'
import { toyClock } from '../../support/toy-stack.ts'

interface Trouble {
  readonly retry: Retry
  readonly retryAfter?: number
  readonly says?: string
}

/** Fails in the given way, time and again, until so many milliseconds have passed. */
function troubled(lasts: number, trouble: (tries: number) => Trouble, after = 60_000) {
  const clock = toyClock()
  const begun = clock.now().getTime()
  const said: string[] = []
  const triedAt: number[] = []
  const stopping = new AbortController()
  const attempt = async (tries: number): Promise<string> => {
    const at = clock.now().getTime() - begun
    triedAt.push(at)
    const { retry, retryAfter = null, says = 'it is away' } = trouble(tries)
    if (at < lasts) throw siteError('site-unreachable', says, { retry, retryAfter })
    return 'done'
  }
  const around = {
    what: 'promote',
    where: 'dc-b',
    clock,
    deadline: patienceOf(after, clock),
    waiting: (what: string) => void said.push(what),
  }
  return { said, triedAt, stopping, result: tryUntil(attempt, { ...around, signal: stopping.signal }) }
}

describe('what may be over in a moment', () => {
  test('is tried until it is over, with pauses that grow to two seconds, and said once', async () => {
    const { result, triedAt, said } = troubled(20_000, () => ({ retry: 'transient' }))
    expect(await result).toBe('done')
    expect(triedAt.slice(0, 5)).toEqual([0, 250, 750, 1_750, 3_750])
    expect(triedAt.at(-1)).toBeLessThan(22_000)
    expect(said).toEqual(['another try: it is away'])
  })

  test('is said again when its reason is another one', async () => {
    const { result, said } = troubled(5_000, (tries) => ({ retry: 'transient', says: tries < 3 ? 'busy' : 'reset' }))
    await result
    expect(said).toEqual(['another try: busy', 'another try: reset'])
  })

  test('is not tried earlier than the other side asks for', async () => {
    const { result, triedAt } = troubled(20_000, () => ({ retry: 'transient', retryAfter: 7_000 }))
    expect(await result).toBe('done')
    expect(triedAt).toEqual([0, 7_000, 14_000, 21_000])
  })

  test('is tried a last time before the deadline, however long the other side asks to wait', async () => {
    const { result, triedAt } = troubled(50_000, () => ({ retry: 'transient', retryAfter: 3_600_000 }))
    expect(await result).toBe('done')
    expect(triedAt).toEqual([0, 59_000])
  })

  test('ends at the deadline, with what it waited for', async () => {
    const { result } = troubled(Number.POSITIVE_INFINITY, () => ({ retry: 'transient', retryAfter: 3_600_000 }))
    await expect(result).rejects.toMatchObject({
      code: 'step-timeout',
      where: 'dc-b',
      message: 'promote was not done within 1 min; it was waiting for: it is away',
    })
  })
})

test('a conflict is tried ten times within three seconds, and is the reason then', async () => {
  const { result, triedAt } = troubled(Number.POSITIVE_INFINITY, () => ({ retry: 'conflict' }))
  await expect(result).rejects.toMatchObject({ code: 'site-unreachable', retry: 'conflict' })
  expect(triedAt).toHaveLength(10)
  expect(triedAt.at(-1)).toBeLessThan(3_000)
})

test('what another try does not help ends at once', async () => {
  const { result, triedAt, said } = troubled(1, () => ({ retry: 'never' }))
  await expect(result).rejects.toMatchObject({ message: 'it is away' })
  expect([triedAt, said]).toEqual([[0], []])
})

test('a cancellation ends a wait at once', async () => {
  const { result, stopping } = troubled(Number.POSITIVE_INFINITY, () => ({ retry: 'transient' }))
  stopping.abort(siteError('cancelled', 'somebody pressed Ctrl+C'))
  await expect(result).rejects.toMatchObject({ code: 'cancelled' })
})

test('the last pause ends before the deadline or with it, never after it', () => {
  expect(pauseAfter({ retry: 'transient', retryAfter: null }, 9, 5_000)).toBe(2_000)
  expect(pauseAfter({ retry: 'transient', retryAfter: 30_000 }, 1, 5_000)).toBe(4_000)
  expect(pauseAfter({ retry: 'transient', retryAfter: 30_000 }, 1, 600)).toBe(600)
})
