import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { chainEvidence, exportedChain, verifyChain } from '../../../src/evidence/evidence-record.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

type Store = ReturnType<typeof memoryStore>

async function chainOf(records: number): Promise<Store> {
  const store = memoryStore()
  for (let n = 1; n <= records; n++)
    await chainEvidence(store, `runs/r${n}/evidence.json`, { report: { mode: 'switchover', verdict: 'moved', n } }, new Date(n * 1_000))
  return store
}

const keyOf = (n: number): string => `evidence/${String(n).padStart(8, '0')}.json`

/** Rewrites a kept document as somebody with write access could. */
function bend(store: Store, key: string, change: (text: string) => string): void {
  const kept = store.documents.get(key)
  if (kept === undefined) throw new Error(`there is no ${key}`)
  store.documents.set(key, { ...kept, body: JSON.parse(change(JSON.stringify(kept.body))) as typeof kept.body })
}

/** The recipe of docs/evidence.md: what an auditor does with coreutils alone. */
async function recipe(store: Store, keptHead: string | null = null): Promise<boolean> {
  const folder = temporaryFolder()
  for (const [name, content] of await exportedChain(store)) writeFileSync(join(folder, name), content)
  const script = `
    sha256sum --check --strict --quiet SHA256SUMS || exit 1
    previous=${'0'.repeat(64)}
    while read -r hash name; do
      grep -q "\\"previous\\":\\"$previous\\"" "$name" || exit 1
      previous=$hash
    done < SHA256SUMS
    [ -z "$1" ] || grep -q "^$1 " SHA256SUMS`
  return spawnSync('sh', ['-c', script, 'recipe', keptHead ?? ''], { cwd: folder }).status === 0
}

describe('the evidence of a stack', () => {
  test('that nobody touched is whole, for our own command and for sha256sum', async () => {
    const store = await chainOf(4)
    const verdict = await verifyChain(store)
    expect(verdict).toMatchObject({ records: 4, broken: null })
    expect(await recipe(store, verdict.head)).toBe(true)
  })

  const bent: [string, (store: Store) => void][] = [
    ['a changed word in a record', (store) => bend(store, keyOf(2), (text) => text.replace('moved', 'refused'))],
    ['a changed time', (store) => bend(store, keyOf(3), (text) => text.replace('1970', '1971'))],
    ['a changed hash', (store) => bend(store, keyOf(1), (text) => text.replace(/"hash":"./, '"hash":"!'))],
    ['a record taken out of the middle', (store) => void store.documents.delete(keyOf(2))],
    [
      'two records that changed places',
      (store) => {
        const [one, two] = [store.documents.get(keyOf(2)), store.documents.get(keyOf(3))]
        if (one === undefined || two === undefined) throw new Error('they are not there')
        store.documents.set(keyOf(2), two).set(keyOf(3), one)
      },
    ],
  ]
  test.each(bent)('shows %s, to our own command and to sha256sum', async (_what, change) => {
    const store = await chainOf(4)
    change(store)
    expect((await verifyChain(store)).broken).not.toBeNull()
    expect(await recipe(store)).toBe(false)
  })

  test('shows an end that was cut off or written anew, to whoever kept the head', async () => {
    const store = await chainOf(4)
    const { head } = await verifyChain(store)
    store.documents.delete(keyOf(4))
    store.documents.delete('runs/r4/evidence.json')
    expect((await verifyChain(store)).broken).toBeNull()
    expect((await verifyChain(store, head)).broken).toMatchObject({ why: expect.stringContaining('cut off') })
    expect(await recipe(store, head)).toBe(false)
    await chainEvidence(store, 'runs/r4/evidence.json', { report: { verdict: 'refused' } }, new Date(9_000))
    expect((await verifyChain(store, head)).broken).not.toBeNull()
    expect(await recipe(store, head)).toBe(false)
  })
})
