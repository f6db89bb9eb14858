import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { approvalText, SIGNATURE_NAMESPACE } from '../approval/approval-text.ts'
import type { SignatureFile } from '../approval/judge-signatures.ts'
import { judgeLocalApproval } from '../approval/local-approval.ts'
import { EXECUTE, type Purpose } from '../approval/purpose.ts'
import { signaturesOf } from '../approval/signed-approval.ts'
import { whatItDoes } from '../approval/what-it-does.ts'
import { systemClock, type World } from '../composition/connect.ts'
import { openWitness } from '../composition/open-witness.ts'
import type { Approval } from '../domain/approval.ts'
import type { Plan } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { drivers, witnesses } from '../drivers/registry.ts'
import { inputError, StandbyError } from '../errors/standby-error.ts'
import { readRun } from '../operations/continue-failover.ts'
import { readPlan } from '../operations/read-plan.ts'
import { refuseDefective } from '../planning/plan-defects.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { refuseUnwritable, writeOutput } from '../runtime/output-file.ts'
import { loadStack } from '../stack/load-stack.ts'
import { witnessTime } from '../witness/time.ts'

/** The options with which a command line asks for a move, as commander passes them. */
export interface LocalApprovalOptions {
  readonly reason: string
  readonly digest?: string
  /** Files with one signature each. */
  readonly signature?: readonly string[]
  readonly requestedBy?: string
}

/**
 * The approval of this command line, by what the stack file demands: `judgeLocalApproval`, with the signatures read
 * from their files.
 */
export async function localApproval(
  { stack, store, clock }: Pick<World, 'stack' | 'store' | 'clock'>,
  plan: Plan,
  options: LocalApprovalOptions,
  purpose: Purpose = EXECUTE,
): Promise<Approval> {
  const signatures = await Promise.all((options.signature ?? []).map(readSignature))
  const { reason, digest = null, requestedBy = userOf(process.env) } = options
  return judgeLocalApproval({
    stack,
    plan,
    digest,
    reason,
    requestedBy,
    signatures,
    now: await witnessTime(store, clock),
    purpose,
  })
}

async function readSignature(file: string): Promise<SignatureFile> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw inputError('signature-not-found', `the signature ${file} cannot be read (${error.code ?? error.message})`, {
      next: 'Name the .sig file that ssh-keygen wrote. Nothing was changed.',
    })
  })
  return { file, text }
}

/** Under sudo, the user who called it. */
export const userOf = (env: Readonly<Record<string, string | undefined>>): string =>
  env.SUDO_USER ?? env.USER ?? 'unknown'

export interface ApproveSurroundings {
  common(): { readonly stack: string; readonly json: boolean }
  /** Prints the result of the work, with a line end; or its error. */
  run(work: () => Promise<string>): Promise<void>
}

interface ApproveOptions {
  readonly plan?: string
  readonly reason: string
  readonly requestedBy?: string
  readonly resume?: string
  readonly abort?: string
  readonly out?: string
}

/**
 * `standby failover approve`: prints what signers sign, and how. With the plan in a file it contacts nothing, and needs
 * no credential.
 */
export function addApprove(failover: Command, { common, run }: ApproveSurroundings): void {
  failover
    .command('approve')
    .description('print the text that signers of this move sign; with a plan in a file, nothing is contacted')
    .option('--plan <file>', 'the plan; that of a run to resume or abort is read from the witness when absent')
    .requiredOption('--reason <text>', 'why the move is made without a reviewer on GitHub')
    .option('--requested-by <name>', 'who asks for the move; your user when absent')
    .option('--resume <run>', 'to continue this run, even after its plan has expired')
    .option('--abort <run>', 'to take this run back')
    .option('--out <file>', 'where the text is written; standard output when absent')
    .action((options: ApproveOptions) => run(() => approve(options, common())))
}

async function approve(
  options: ApproveOptions,
  common: { readonly stack: string; readonly json: boolean },
): Promise<string> {
  if (options.out !== undefined) await refuseUnwritable(options.out)
  // Nothing is contacted: this machine's clock warns a signer of an expired plan, and the time of the witness decides
  // at the execution.
  const given = options.plan === undefined ? null : { plan: await readPlan(options.plan, null), now: systemClock.now() }
  const stack = await loadStack(common.stack, { drivers, witnesses })
  return textToSign(options, common, stack, given ?? (await keptPlan(stack, options)))
}

interface ToSign {
  readonly plan: Plan
  readonly now: Date
}

/** The plan of the run in the witness; reading it needs the witness's credentials. */
async function keptPlan(stack: Stack, { resume, abort }: ApproveOptions): Promise<ToSign> {
  const run = resume ?? abort
  if (run === undefined)
    throw inputError('input-missing', 'the plan to approve is not given', {
      next: 'Name its file with --plan, or a run with --resume or --abort.',
    })
  const store = await openWitness(stack, process.env, () => undefined)
  const { plan } = await readRun({ store }, run)
  return { plan, now: await witnessTime(store, systemClock) }
}

async function textToSign(
  options: ApproveOptions,
  common: { readonly json: boolean },
  stack: Stack,
  { plan, now }: ToSign,
): Promise<string> {
  refuseOtherStack(plan, stack)
  refuseDefective(plan, { stack, drivers, now }, options.resume ?? null)
  const { required, keys } = signaturesOf(stack)
  const { reason, requestedBy = userOf(process.env) } = options
  const text = approvalText(plan, { reason, requestedBy, purpose: purposeOf(options) })
  if (options.out !== undefined) await writeOutput(options.out, text)
  const how = `ssh-keygen -Y sign -f <key> -n ${SIGNATURE_NAMESPACE} ${options.out ?? '<the text as a file>'}`
  const who = keys.map((key) => key.name).join(', ')
  process.stderr.write(
    `What it does:\n${whatItDoes(plan)
      .map((line) => `  ${line}\n`)
      .join('')}`,
  )
  process.stderr.write(`To be signed by ${required} of ${who}, who have read the plan:\n  ${how}\n`)
  if (common.json)
    return JSON.stringify(
      { schemaVersion: 1, digest: digestOf(plan), namespace: SIGNATURE_NAMESPACE, required, text },
      null,
      2,
    )
  // Printed with one line end, which is the last byte of the text.
  return options.out === undefined ? text.replace(/\n$/, '') : `The text is in ${options.out}.`
}

function purposeOf({ resume, abort }: ApproveOptions): Purpose {
  if (resume !== undefined && abort !== undefined)
    throw inputError('input-invalid', '--resume and --abort exclude each other', {
      next: 'Name one run, with one of the two options.',
    })
  if (resume !== undefined) return { operation: 'resume', run: resume }
  return abort === undefined ? EXECUTE : { operation: 'abort', run: abort }
}

/** Refuses a stack file other than the plan's: the signed plan could not be executed. */
function refuseOtherStack(plan: Plan, stack: Stack): void {
  if (plan.stack.name === stack.name && plan.stack.digest === stack.source.digest) return
  throw new StandbyError({
    code: 'plan-stale',
    mustAct: 'approval',
    what: `the plan was made of another stack file than ${stack.source.path}, or a file that it names has changed`,
    next: 'Check out what the plan was made of, or make a new plan.',
  })
}
