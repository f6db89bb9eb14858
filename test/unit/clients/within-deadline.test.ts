import { getEventListeners } from 'node:events'
import { expect, test } from '@jest/globals'
import { withinDeadline } from '../../../src/clients/within-deadline.ts'

const late = (): Error => new Error('late')

test('work within a deadline leaves nothing at the outer signal, whether it ends, fails or is late', async () => {
  const outer = new AbortController()
  const work = (one: () => Promise<string>, deadline: number | (() => number) = 1_000): Promise<string> =>
    withinDeadline(deadline, [outer.signal], one, late).catch(({ message }: Error) => message)
  expect(await work(async () => 'done')).toBe('done')
  expect(await work(() => Promise.reject(new Error('failed')))).toBe('failed')
  expect(await work(() => new Promise(() => undefined), 5)).toBe('late')
  const broken = (): number => {
    throw new Error('no deadline')
  }
  expect(await work(async () => 'done', broken)).toBe('no deadline')
  expect(getEventListeners(outer.signal, 'abort')).toEqual([])
})
