import { describe, expect, test } from '@jest/globals'
import type { ReasonCode } from '../../../src/errors/reason-codes.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import { patientStore, WITNESS_PATIENCE } from '../../../src/witness/patient-store.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { toyClock } from '../../support/toy-stack.ts'

/** A store that fails the first n calls; `late`: after the write has arrived. */
function failing(
  store: ConditionalStore,
  times: number,
  how: 'early' | 'late',
  code: ReasonCode = 'witness-unreachable',
): ConditionalStore {
  let left = times
  const around = async <T>(call: () => Promise<T>): Promise<T> => {
    if (left <= 0) return call()
    left -= 1
    if (how === 'late') await call().catch(() => undefined)
    throw siteError(code, 'no answer', { retry: code === 'witness-unreachable' ? 'transient' : 'never' })
  }
  return {
    stack: null,
    get: (key) => around(() => store.get(key)),
    create: (key, body) => around(() => store.create(key, body)),
    replace: (key, body, version) => around(() => store.replace(key, body, version)),
    getText: (key) => around(() => store.getText(key)),
    createText: (key, text) => around(() => store.createText(key, text)),
    time: async () => null,
    list: (prefix) => around(() => store.list(prefix)),
  }
}

function patient(store: ConditionalStore, signal = new AbortController().signal) {
  const warnings: string[] = []
  const log = { info: () => undefined, debug: () => undefined, warning: (line: string) => void warnings.push(line) }
  return { store: patientStore(store, { clock: toyClock(), log, signal }), warnings }
}

describe('a run waits for a witness that does not answer', () => {
  test('and logs the wait once', async () => {
    const { store, warnings } = patient(failing(memoryStore(), 20, 'early'))
    await store.create('a', { one: 1 })
    expect((await store.get('a'))?.body).toMatchObject({ one: 1 })
    expect(warnings).toEqual(['the witness does not answer: waiting for it for up to 5 min'])
  })

  test('and recognizes its own write when only the answer was lost', async () => {
    const { store } = patient(failing(memoryStore(), 3, 'late'))
    const version = await store.create('a', { one: 1 })
    await expect(store.replace('a', { two: 2 }, version)).resolves.toBeDefined()
  })

  test('and does not take the same document of another writer for its own', async () => {
    const memory = memoryStore()
    await memory.create('a', { one: 1 })
    await expect(patient(failing(memory, 1, 'early')).store.create('a', { one: 1 })).rejects.toMatchObject({
      code: 'witness-conflict',
    })
  })

  test('not longer than its deadline', async () => {
    const { store } = patient(failing(memoryStore(), WITNESS_PATIENCE, 'early'))
    await expect(store.get('a')).rejects.toMatchObject({ code: 'witness-unreachable' })
  })

  test('not after it was cancelled, and never where waiting does not help', async () => {
    await expect(patient(failing(memoryStore(), 2, 'early'), AbortSignal.abort()).store.get('a')).rejects.toMatchObject(
      {
        code: 'witness-unreachable',
      },
    )
    await expect(patient(failing(memoryStore(), 1, 'early', 'witness-denied')).store.get('a')).rejects.toMatchObject({
      code: 'witness-denied',
    })
  })
})
