import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LedgerSummary } from './judge-ledger.ts'
import { type LedgerEntry, parseLedger } from './ledger-entry.ts'
import type { LedgerOptions } from './start-ledger.ts'

export interface LedgerProcess {
  readonly run: string
  readonly pid: number
  /** What is on the disk by now. */
  entries(): Promise<LedgerEntry[]>
  stop(): Promise<LedgerSummary>
}

/** Writes in hand end by their own deadlines: connecting to and asking each address, and a login. */
const STOP_MS = 20_000
const BEGIN_MS = 10_000

/**
 * The ledger in a process of its own, so that a busy mover does not delay its writes. It ends with this process, and
 * does not keep it alive: a story that fails before `stop` ends all the same.
 */
export async function startLedgerProcess(options: LedgerOptions): Promise<LedgerProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], { stdio: ['pipe', 'pipe', 'pipe'] })
  let words = ''
  child.stderr.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(-4_000)))
  child.stdin.on('error', () => undefined)
  child.unref()
  for (const pipe of child.stdio) if (pipe instanceof Socket) pipe.unref()
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  child.stdin.write(`${JSON.stringify(options)}\n`)
  const say = async (what: string, ms: number): Promise<string> => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`ledger-silent: no ${what} within ${ms / 1_000} s. ${words}`)), ms)
    })
    try {
      const { value, done } = await Promise.race([lines.next(), late])
      if (done === true) throw new Error(`ledger-ended: no ${what}. ${words}`)
      return value
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
  const { run } = JSON.parse(await say('beginning', BEGIN_MS)) as { run: string }
  return {
    run,
    pid: child.pid ?? 0,
    entries: async () => parseLedger(await readFile(options.file, 'utf8')).filter(({ id }) => id.includes(`_${run}_`)),
    stop: async () => {
      child.stdin.end()
      return JSON.parse(await say('summary', STOP_MS)) as LedgerSummary
    },
  }
}
