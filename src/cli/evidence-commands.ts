import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { inputError } from '../errors.ts'
import { type EvidenceRecord, exportedChain, readChain, verifyChain } from '../evidence/evidence-record.ts'
import type { MoveReport } from '../operations/reports.ts'
import { EXIT, operate } from './operate.ts'

/** `standby evidence …`: what every run left behind, and whether anybody has changed it since. */
export function addEvidence(program: Command): void {
  const evidence = program.command('evidence').description('the records that runs leave, and whether they are untouched; read-only')
  evidence
    .command('list')
    .description('all records, the oldest first')
    .action(() =>
      operate(program, async ({ store }) => {
        const records = (await readChain(store)).flatMap(({ record }) => (record === null ? [] : [lineOf(record)]))
        return {
          result: { records },
          text: records.map(({ at, run, what, hash }) => `${at}  ${run}  ${what}  ${hash.slice(0, 12)}`).join('\n'),
          exit: EXIT.ok,
        }
      }),
    )
  evidence
    .command('show <run>')
    .description('the records of one run, whole')
    .action((run: string) =>
      operate(program, async ({ store }) => {
        const records = (await readChain(store)).flatMap(({ record }) => (record?.key.startsWith(`runs/${run}/`) === true ? [record] : []))
        if (records.length === 0)
          throw inputError('run-unknown', `there is no evidence of a run ${run}`, { next: 'List them: standby evidence list' })
        return { result: { records }, text: JSON.stringify(records, null, 2), exit: EXIT.ok }
      }),
    )
  evidence
    .command('verify')
    .description('recompute every hash of the chain')
    .option('--head <hash>', 'a hash that an earlier verify printed, and that you kept elsewhere: it must still be in the chain')
    .action((options: { head?: string }) =>
      operate(program, async ({ store }) => {
        const verdict = await verifyChain(store, options.head ?? null)
        const { records, head, broken } = verdict
        const text = broken === null ? `${records} records, untouched; head ${head}` : `evidence-broken: ${broken.key}: ${broken.why}`
        return { result: verdict, text, exit: broken === null ? EXIT.ok : EXIT.failed }
      }),
    )
  evidence
    .command('export')
    .description('write all records into a folder, for sha256sum and for auditors')
    .requiredOption('--to <folder>', 'made when it is not there')
    .action((options: { to: string }) =>
      operate(program, async ({ store }) => {
        const files = await exportedChain(store)
        await mkdir(options.to, { recursive: true })
        for (const [name, content] of files) await writeFile(join(options.to, name), content)
        const text = `${files.size - 1} records in ${options.to}; check them: cd ${options.to} && sha256sum --check SHA256SUMS`
        return { result: { records: files.size - 1, folder: options.to }, text, exit: EXIT.ok }
      }),
    )
}

function lineOf({ at, key, body, hash }: EvidenceRecord) {
  const { report } = body as { readonly report?: Partial<MoveReport> }
  const run = key.split('/')[1] ?? ''
  return { at, run, hash, what: report === undefined ? '' : `${report.mode} ${report.from} → ${report.to}: ${report.verdict}` }
}
