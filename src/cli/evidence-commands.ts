import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { openWitness } from '../composition/open-witness.ts'
import { drivers, witnesses } from '../drivers/registry.ts'
import { inputError, siteError } from '../errors/standby-error.ts'
import { type ChainFiles, type ChainVerdict, judgeChain, sequenceOf } from '../evidence/chain.ts'
import { decodeRecord, readChain } from '../evidence/keep-evidence.ts'
import type { EvidenceRecord } from '../evidence/refusal-body.ts'
import { evidenceLine, evidenceText } from '../reporting/evidence-text.ts'
import { htmlRun } from '../reporting/html-run.ts'
import { VERIFY_SCRIPT } from '../reporting/verify-script.ts'
import { masking as newMasking } from '../runtime/masking.ts'
import { refuseUnwritable, writeOutput } from '../runtime/output-file.ts'
import { loadStack } from '../stack/load-stack.ts'
import { nearest } from '../stack/nearest.ts'
import { type Common, local } from './operate.ts'

/** `standby evidence …`: the commands for auditors. Reads the witness, contacts no site, and changes nothing. */
export function addEvidence(program: Command): void {
  const evidence = program
    .command('evidence')
    .description('the records of all runs: to read, to take away, and to verify')
  const common = (): Common => program.opts<Common>()
  const masking = newMasking()
  const chain = async (): Promise<ChainFiles> =>
    readChain(await openWitness(await loadStack(common().stack, { drivers, witnesses }), process.env, masking.add))
  const show = (work: () => Promise<string>): Promise<void> => local(program, work, masking.masked)
  evidence
    .command('list')
    .description('one line per record, oldest first')
    .action(() => show(async () => listed(await chain(), common().json)))
  evidence
    .command('show <run>')
    .description('all records of a run: one for each process that worked on it')
    .option('--html <file>', 'write them as one self-contained page')
    .action((run: string, options: { html?: string }) =>
      show(async () => {
        if (options.html !== undefined) await refuseUnwritable(options.html)
        return shownRun(await chain(), run, common().json, options.html)
      }),
    )
  evidence
    .command('export')
    .description('write all records into a folder, with a script that verifies them with sha256sum alone')
    .requiredOption('--to <folder>', 'a new or empty folder')
    .action((options: { to: string }) => show(async () => exported(await chain(), options.to, common().json)))
  evidence
    .command('verify')
    .description('recompute every hash of the chain')
    .option('--dir <folder>', 'an exported folder, instead of the witness; needs no stack file')
    .option('--head <sha256...>', 'hashes that you kept from earlier: they reveal a rewritten past', [])
    .action((options: { dir?: string; head: string[] }) =>
      show(async () => {
        const files = options.dir === undefined ? await chain() : await filesIn(options.dir)
        return verified(judgeChain(files, options.head.map(hashOf)), recordsIn(files), common().json)
      }),
    )
}

interface Named {
  readonly file: string
  readonly body: EvidenceRecord | null
  /** Why it cannot be read. */
  readonly unreadable: string | null
}
const recordsIn = (files: ChainFiles): Named[] =>
  [...files]
    .filter(([file]) => file.endsWith('.json'))
    .map(([file, text]) => {
      const decoded = decodeRecord(file, text, null)
      if (decoded.kind === 'sound') return { file, body: decoded.record, unreadable: null }
      return {
        file,
        body: null,
        unreadable: isOlder(text) ? 'an older format' : `unreadable: ${decoded.path} ${decoded.what}`,
      }
    })
const isOlder = (text: string): boolean => /"schemaVersion":\s*1\b/.test(text) && !/"schemaVersion":\s*2\b/.test(text)

function listed(files: ChainFiles, json: boolean): string {
  const records = recordsIn(files)
  if (json)
    return asJson({
      records: records.map(({ file, body, unreadable }) => ({
        record: file,
        run: body?.run ?? null,
        verdict: body?.verdict ?? null,
        ...(unreadable === null ? {} : { unreadable }),
      })),
    })
  if (records.length === 0) return 'No run has left a record yet.'
  return records
    .map(({ file, body, unreadable }) =>
      body === null ? `${file.slice(0, 8)}  ${unreadable}` : evidenceLine(file, body),
    )
    .join('\n')
}

async function shownRun(files: ChainFiles, run: string, json: boolean, html?: string): Promise<string> {
  const records = recordsIn(files)
  const found = records.flatMap(({ file, body }) => (body?.run === run ? [{ file, body }] : []))
  if (found.length === 0) {
    const runs = [...new Set(records.flatMap(({ body }) => body?.run ?? []))]
    const meant = nearest(run, runs)
    throw inputError('evidence-not-found', `there is no record of a run ${run}`, {
      next: meant === null ? `The newest are: ${runs.slice(-3).join(', ') || 'none'}.` : `Did you mean ${meant}?`,
    })
  }
  if (html !== undefined) await writeOutput(html, htmlRun(found))
  if (json) return asJson({ records: found.map(({ body }) => body) })
  return found.map(({ file, body }) => evidenceText(file, body)).join('\n\n')
}

async function exported(files: ChainFiles, folder: string, json: boolean): Promise<string> {
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length > 0)
    throw inputError('input-invalid', `${folder} is not empty: its files would count as a part of the chain`, {
      next: 'Name a new or an empty folder.',
    })
  // An unexpected name in the store would be a path of another writer's choice.
  const names = [...files.keys()].filter((name) => sequenceOf(name) !== null)
  await Promise.all(names.map((name) => writeFile(join(folder, name), files.get(name) ?? '')))
  await writeFile(join(folder, 'verify.sh'), VERIFY_SCRIPT)
  const verdict = judgeChain(files)
  if (json) return asJson({ folder, ...verdict })
  const state =
    verdict.broken === null ? `head ${verdict.head ?? 'none'}` : `BROKEN: ${verdict.broken.file}: ${verdict.broken.why}`
  return `${verdict.records} records in ${folder}, ${state}\nVerify them without this tool: sh ${join(folder, 'verify.sh')} [a head that you kept]`
}

async function filesIn(folder: string): Promise<ChainFiles> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw inputError('input-invalid', `${folder} cannot be read (${error.code ?? error.message})`, {
      next: 'Name an exported folder.',
    })
  })
  const ours = names.filter((name) => /\.(json|sha256)$/.test(name)).sort()
  if (!ours.some((name) => sequenceOf(name) !== null))
    throw inputError('input-invalid', `${folder} holds no record of the evidence: there is nothing to verify`, {
      next: 'Name a folder that standby evidence export wrote.',
    })
  const decode = new TextDecoder('utf-8', { ignoreBOM: true })
  return new Map(
    await Promise.all(ours.map(async (name) => [name, decode.decode(await readFile(join(folder, name)))] as const)),
  )
}

function verified(verdict: ChainVerdict, found: readonly Named[], json: boolean): string {
  const unreadable = found.flatMap(({ file, unreadable: why }) => (why === null ? [] : [{ file, why }]))
  const { records, head, broken } = verdict
  if (broken !== null)
    throw siteError('evidence-broken', `${broken.file}: ${broken.why}; ${records} records before it fit`, {
      where: `evidence/${broken.file}`,
      next: "Compare with an earlier export, or with the object's versions in the witness: a person or a disk error changed it.",
    })
  if (json) return asJson({ records, head, ...(unreadable.length === 0 ? {} : { unreadable }) })
  if (head === null) return 'No record yet: nothing to verify.'
  const strange = unreadable
    .map(({ file, why }) => `\n${file} fits into the chain, but this version cannot read it: ${why}`)
    .join('')
  return `${records} records, each as it was written.${strange}\nhead ${head}\nKeep this hash elsewhere: with it, a past that is rewritten later is found (standby evidence verify --head ${head}).`
}

function hashOf(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase()
  throw inputError('input-invalid', `--head is ${text}, and must be a SHA-256 of 64 hex digits`, {
    next: 'Copy it from an earlier verification, or from the summary of a run.',
  })
}

const asJson = (result: object): string => JSON.stringify({ schemaVersion: 1, ...result }, null, 2)
