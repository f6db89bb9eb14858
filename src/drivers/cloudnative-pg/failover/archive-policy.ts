import { createHash } from 'node:crypto'

/** A folder of a bucket that is closed for writes. */
export interface ClosedFolder {
  readonly bucket: string
  readonly region: string
  /** Of the whole bucket; ends with `/`. */
  readonly folder: string
}

interface Policy {
  readonly Version?: string
  readonly Statement: readonly Statement[]
  readonly [field: string]: unknown
}
type Statement = Readonly<Record<string, unknown>>

/** What makes WAL appear in an archive, and disappear from it. Reading stays as it was. */
const WRITES = ['s3:PutObject', 's3:DeleteObject']

/**
 * The policy with the folder closed for everyone. A denial wins over every other statement; those stay as they are, but
 * for the denials of the folders that may be let go.
 */
export function closeFolder(policy: string | null, closed: ClosedFolder, letGo: readonly ClosedFolder[] = []): string {
  const read = policyIn(policy)
  if (read.Statement.some((statement) => closes(statement, closed))) return policy ?? ''
  const kept = read.Statement.filter((statement) => !letGo.some((folder) => closesAlone(statement, folder)))
  return JSON.stringify({ ...read, Statement: [...kept, denial(closed)] })
}

/** The policy without our denial; null when nothing is left, because an empty policy is refused. */
export function openFolder(policy: string | null, closed: ClosedFolder): string | null {
  const read = policyIn(policy)
  const Statement = read.Statement.filter((statement) => !closes(statement, closed))
  return Statement.length === 0 ? null : JSON.stringify({ ...read, Statement })
}

export const isClosed = (policy: string | null, closed: ClosedFolder): boolean =>
  policyIn(policy).Statement.some((statement) => closes(statement, closed))

function denial(closed: ClosedFolder): Statement {
  // S3 takes letters and digits only.
  const id = createHash('sha256').update(resourceOf(closed)).digest('hex').slice(0, 16)
  return { Sid: `StandbyClosed${id}`, Effect: 'Deny', Principal: '*', Action: WRITES, Resource: [resourceOf(closed)] }
}

/** Whether it denies what {@link denial} does, and no more. */
const closesAlone = (statement: Statement, closed: ClosedFolder): boolean =>
  listOf(statement.Resource).length === 1 &&
  listOf(statement.Action).length === WRITES.length &&
  closes(statement, closed)

/** Known by what it does: stores need not keep its name, nor the form in which lists of one were written. */
function closes(statement: Statement, closed: ClosedFolder): boolean {
  const everyone = [statement.Principal, (statement.Principal as { AWS?: unknown } | null | undefined)?.AWS].some(
    (one) => listOf(one).includes('*'),
  )
  return (
    statement.Effect === 'Deny' &&
    everyone &&
    statement.Condition === undefined &&
    WRITES.every((action) => listOf(statement.Action).includes(action)) &&
    listOf(statement.Resource).includes(resourceOf(closed))
  )
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value])

function resourceOf({ bucket, region, folder }: ClosedFolder): string {
  return `arn:${partitionOf(region)}:s3:::${bucket}/${folder}*`
}

function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn'
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
}

/** Throws on what is not a policy: it would be replaced by one without its statements. */
function policyIn(text: string | null): Policy {
  if (text === null) return { Version: '2012-10-17', Statement: [] }
  const read = JSON.parse(text) as Policy & { readonly Statement: Statement | readonly Statement[] }
  const statements: unknown = read.Statement
  if (statements === undefined) throw new Error('the policy of the bucket has no Statement')
  return { ...read, Statement: Array.isArray(statements) ? (statements as Statement[]) : [statements as Statement] }
}
