/** What the declared question `restore.state` said of a restored copy. */
export type CopyState =
  | { readonly is: 'serves'; readonly copy: RestoredCopy }
  | { readonly is: 'failed'; readonly text: string }
  | { readonly is: 'pending'; readonly text: string }
export interface RestoredCopy {
  readonly host: string
  readonly port: number
  readonly database: string
  /** ISO 8601, UTC: the copy has the data of this time. */
  readonly takenAt: string
}

/**
 * Reads `host=db.example.com port=5432 database=app takenAt=2026-11-30T09:00:00Z`, in any order, or `failed …`. An
 * answer that begins like an endpoint and is none has failed: waiting cannot complete it. Everything else is pending.
 * Pure.
 */
export function copyStateIn(answer: string): CopyState {
  const words = answer.trim().split(/\s+/)
  if (words[0] === 'failed') return { is: 'failed', text: answer.trim() }
  const said = Object.fromEntries(words.map((word) => pairIn(word)))
  const { host = '', port = '', database = '', takenAt = '' } = said
  if (!words.some((word) => word.startsWith('host='))) return { is: 'pending', text: answer.trim() }
  const at = INSTANT.test(takenAt) ? new Date(takenAt).getTime() : Number.NaN
  const number = Number(port)
  if (host === '' || !/^\d{1,5}$/.test(port) || number < 1 || number > 65_535 || database === '' || Number.isNaN(at))
    return { is: 'failed', text: `the answer is no endpoint with host, port, database and takenAt: ${answer.trim()}` }
  return { is: 'serves', copy: { host, port: number, database, takenAt: new Date(at).toISOString() } }
}

/** With its offset: a local time of an unknown place says nothing about age. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/

function pairIn(word: string): [string, string] {
  const at = word.indexOf('=')
  return at === -1 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)]
}
