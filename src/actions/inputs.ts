import * as core from '@actions/core'
import type { GivenCredentials } from '../composition/needed-credentials.ts'
import { readAcceptedLoss } from '../domain/accepted-loss.ts'
import { MODES } from '../domain/plan.ts'
import { inputError } from '../errors/standby-error.ts'
import type { MoveRequest } from '../planning/resolve-intent.ts'
import { maskSecret } from '../runtime/mask-secret.ts'
import { masking } from '../runtime/masking.ts'
import { nearest } from '../stack/nearest.ts'
import { isObject } from '../values/json.ts'

/** Every input of every action, as its action.yml has it. The only module that reads inputs and writes outputs. */
export const INPUTS = {
  status: ['stack', 'credentials', 'fail-on'],
  deploy: ['stack', 'credentials', 'check-only', 'dry-run', 'only', 'adopt'],
  'verify-backup': ['stack', 'credentials', 'site', 'fresh'],
  failover: [
    'stack',
    'credentials',
    'github-token',
    'operation',
    'mode',
    'to',
    'from',
    'accept-data-loss',
    'plan-environment',
    'plan',
    'digest',
    'run',
    'confirm',
  ],
} as const
export type ActionName = keyof typeof INPUTS

/** The outputs that every exit sets, and those that single actions add. */
export const OUTPUTS = {
  status: ['decision', 'reason-code', 'result', 'active-site', 'epoch'],
  deploy: ['decision', 'reason-code', 'result'],
  'verify-backup': ['decision', 'reason-code', 'result', 'verdict'],
  failover: ['decision', 'reason-code', 'result', 'digest', 'to', 'plan', 'run'],
} as const
export type OutputName = (typeof OUTPUTS)[ActionName][number]

export const setOutput = (name: OutputName, value: string): void => core.setOutput(name, withoutSecrets(value))

/** Refuses inputs that no action.yml has: a typo in `with:` would otherwise be silently ignored. */
function refuseUnknown(action: ActionName, env: Readonly<Record<string, string | undefined>>): void {
  const known = INPUTS[action].map((name) => `INPUT_${name.toUpperCase()}`)
  for (const name of Object.keys(env)) {
    if (!name.startsWith('INPUT_') || known.includes(name)) continue
    const given = name.slice('INPUT_'.length).toLowerCase()
    const meant = nearest(given, INPUTS[action])
    // Composite actions and runners pass inputs of other actions: only a near miss is surely meant for this action.
    if (meant !== null)
      throw inputError('unknown-input', `there is no input ${given}`, { next: `Did you mean ${meant}?` })
  }
}

const text = (name: string): string => core.getInput(name)

function required(name: string): string {
  const value = text(name)
  if (value === '')
    throw inputError('input-missing', `the input ${name} is missing`, {
      next: `Add it under with:, for example ${name}: dc-b`,
    })
  return value
}

function choice<T extends string>(name: string, allowed: readonly T[], otherwise: T): T {
  const value = text(name) || otherwise
  const found = allowed.find((candidate) => candidate === value)
  if (found !== undefined) return found
  const meant = nearest(value, allowed)
  throw inputError(
    'input-invalid',
    `${name} is ${value}, and must be one of ${allowed.join(', ')}`,
    meant === null ? {} : { next: `Did you mean ${meant}?` },
  )
}

function yesNo(name: string, otherwise: boolean): boolean {
  return choice(name, ['true', 'false'], otherwise ? 'true' : 'false') === 'true'
}

const lines = (name: string): string[] =>
  text(name)
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '')

export interface StatusInputs {
  readonly stack: string
  readonly failOn: 'never' | 'broken' | 'degraded'
}
export interface DeployInputs {
  readonly stack: string
  /** Judges the stack file alone: offline, without a credential. */
  readonly checkOnly: boolean
  readonly dryRun: boolean
  readonly only: readonly string[]
  readonly adopt: boolean
}
export interface VerifyBackupInputs {
  readonly stack: string
  readonly site: string | null
  readonly fresh: boolean
}
export type FailoverInputs =
  | {
      readonly operation: 'plan'
      readonly stack: string
      readonly request: MoveRequest
      readonly planPath: string
      /** The environment of the job that plans; null where none is given. */
      readonly environment: string | null
    }
  | {
      readonly operation: 'execute'
      readonly stack: string
      readonly to: string
      readonly planPath: string
      readonly digest: string
      readonly token: string
    }
  | {
      /** A run that another job began: continued, or taken back. */
      readonly operation: 'resume' | 'abort'
      readonly stack: string
      readonly to: string
      /** Null: the run that has not released its lock. */
      readonly run: string | null
      readonly digest: string
      readonly token: string
    }

const stackPath = (): string => text('stack') || 'standby.yaml'

export function readStatusInputs(): StatusInputs {
  refuseUnknown('status', process.env)
  return Object.freeze({ stack: stackPath(), failOn: choice('fail-on', ['never', 'broken', 'degraded'], 'broken') })
}

export function readDeployInputs(): DeployInputs {
  refuseUnknown('deploy', process.env)
  return Object.freeze({
    stack: stackPath(),
    checkOnly: yesNo('check-only', false),
    dryRun: yesNo('dry-run', false),
    only: lines('only'),
    adopt: yesNo('adopt', false),
  })
}

export function readVerifyBackupInputs(): VerifyBackupInputs {
  refuseUnknown('verify-backup', process.env)
  return Object.freeze({ stack: stackPath(), site: text('site') || null, fresh: yesNo('fresh', false) })
}

export function readFailoverInputs(): FailoverInputs {
  refuseUnknown('failover', process.env)
  const operation = choice('operation', ['plan', 'execute', 'resume', 'abort'], 'plan')
  refuseForeign(operation)
  const stack = stackPath()
  const planPath = text('plan') || 'standby-plan.json'
  if (operation === 'plan')
    return Object.freeze({
      operation,
      stack,
      request: readMoveRequest(text('to')),
      planPath,
      environment: text('plan-environment') || null,
    })
  const common = { stack, to: required('to') }
  const digest = required('digest')
  if (!/^[0-9a-f]{64}$/.test(digest))
    throw inputError('input-invalid', 'digest is not the SHA-256 of a plan: 64 hex digits', {
      next: 'Take it from the output digest of the plan job.',
    })
  if (required('confirm') !== common.to)
    throw inputError('not-confirmed', `confirm is ${text('confirm')}, the target is ${common.to}`, {
      next: `To move to ${common.to}, set confirm: ${common.to}. Nothing was changed.`,
    })
  const token = required('github-token')
  mask(token)
  if (operation === 'execute') return Object.freeze({ operation, ...common, planPath, digest, token })
  return Object.freeze({ operation, ...common, run: text('run') || null, digest, token })
}

/**
 * Inputs that only another operation reads: they would have no effect, which the user does not expect. The reusable
 * workflow also passes `run` to execute, and the default of `mode` to every operation.
 */
const READ_BY: readonly (readonly [name: string, operations: readonly string[]])[] = [
  ['mode', ['plan']],
  ['from', ['plan']],
  ['accept-data-loss', ['plan']],
  ['plan-environment', ['plan']],
  ['digest', ['execute', 'resume', 'abort']],
  ['confirm', ['execute', 'resume', 'abort']],
  ['run', ['execute', 'resume', 'abort']],
]

function refuseForeign(operation: FailoverInputs['operation']): void {
  for (const [name, operations] of READ_BY) {
    const value = text(name)
    if (operations.includes(operation) || value === '' || (name === 'mode' && value === 'switchover')) continue
    throw inputError(
      'input-invalid',
      `${name} is ${value}, and belongs to operation: ${operations.join(', ')}; this is operation: ${operation}`,
      {
        next:
          operation === 'plan'
            ? `Leave it out, or name the operation. A plan needs no ${name}.`
            : `Leave it out: the plan says it already. For another ${name}, make a new plan.`,
      },
    )
  }
}

function readMoveRequest(to: string): MoveRequest {
  const mode = choice('mode', MODES, 'switchover')
  const from = text('from')
  const accepted = text('accept-data-loss')
  return {
    mode,
    ...(to === '' ? {} : { to }),
    ...(from === '' ? {} : { from }),
    ...(accepted === '' ? {} : { acceptLoss: readAcceptedLoss(accepted, 'accept-data-loss') }),
  }
}

/**
 * The input `credentials` is one JSON object from name to value. A reusable workflow cannot pass secrets of unknown
 * names; it can pass one secret that holds all of them.
 */
export function readCredentials(): GivenCredentials {
  const given = text('credentials')
  if (given === '') return { env: process.env, credentialsInput: [] }
  let parsed: unknown
  try {
    parsed = JSON.parse(given)
  } catch {
    // The parser's own message would quote the secret.
    throw inputError('credentials-invalid', 'the input credentials is not JSON', { next: NEXT_FOR_CREDENTIALS })
  }
  const entries = isObject(parsed) ? Object.entries(parsed) : null
  if (entries === null || entries.some(([, value]) => typeof value !== 'string'))
    throw inputError('credentials-invalid', 'the input credentials is not an object of texts', {
      next: NEXT_FOR_CREDENTIALS,
    })
  for (const [, value] of entries) maskSecret(String(value), mask)
  return {
    env: { ...process.env, ...(Object.fromEntries(entries) as Record<string, string>) },
    credentialsInput: entries.map(([name]) => name),
  }
}
const NEXT_FOR_CREDENTIALS =
  'Give one object: {"NAME": "value", …}. standby credentials --json prints its skeleton for each identity.'

/** Masks line by line: GitHub compares line by line. */
export const mask = (secret: string): void => {
  core.setSecret(secret)
  known.add(secret)
}

/** GitHub drops an output that holds a secret, and does not mask summaries: so no secret leaves the process. */
const known = masking()
export const withoutSecrets = (text: string): string => known.masked(text)
