import { expect, test } from '@jest/globals'
import { onceByKey } from '../../src/runtime/once.ts'

test('what never changes is computed once per key, also for those who ask at the same time', async () => {
  const once = onceByKey()
  let computed = 0
  const length = (): Promise<number> => once('segments of dc-a', async () => ++computed)
  await expect(Promise.all([length(), length()])).resolves.toEqual([1, 1])
  await expect(length()).resolves.toBe(1)
  await expect(once('segments of dc-b', async () => ++computed)).resolves.toBe(2)
})

test('a computation that failed is made again at the next question', async () => {
  const once = onceByKey()
  await expect(once('key', async () => Promise.reject(new Error('silent')))).rejects.toThrow('silent')
  await expect(once('key', async () => 'answer')).resolves.toBe('answer')
})

test('two processes share no value', async () => {
  const [one, other] = [onceByKey(), onceByKey()]
  await one('key', async () => 'one')
  await expect(other('key', async () => 'other')).resolves.toBe('other')
})
