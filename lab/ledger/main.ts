import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { endWith } from '../end-with.ts'
import { type LedgerOptions, startLedger } from './start-ledger.ts'

/**
 * The ledger as a process of its own: `node lab/ledger/main.ts [options.json]`. Without a file the first line of
 * standard input carries the options (so that no secret is in an argument), and the end of standard input is the order
 * to stop: a ledger does not outlive its parent. Says `{"run": …}` when it has begun and its summary as the last line.
 */
async function main(): Promise<number> {
  const path = process.argv[2]
  const { options, ended } =
    path === undefined ? await fromStandardInput() : { options: await fromFile(path), ended: forever() }
  const ledger = await startLedger(options)
  say({ run: ledger.run })
  await Promise.race([ended, signalled('SIGTERM'), signalled('SIGINT')])
  say(await ledger.stop())
  return 0
}

const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
const forever = (): Promise<void> => new Promise(() => undefined)
const signalled = (signal: NodeJS.Signals): Promise<void> =>
  new Promise((resolve) => process.once(signal, () => resolve()))
const fromFile = async (path: string): Promise<LedgerOptions> =>
  JSON.parse(await readFile(path, 'utf8')) as LedgerOptions

async function fromStandardInput(): Promise<{ options: LedgerOptions; ended: Promise<void> }> {
  const lines = createInterface({ input: process.stdin })
  const ended = new Promise<void>((resolve) => lines.once('close', resolve))
  const first = await Promise.race([new Promise<string>((resolve) => lines.once('line', resolve)), ended])
  if (first === undefined)
    throw new Error('ledger-options-missing: standard input ended before the line with the options')
  return { options: JSON.parse(first) as LedgerOptions, ended }
}

endWith(main())
