import { parseLsn } from '../../../systems/postgres/wal.ts'

/** The token of a demotion: the exact position up to which the new primary must have replayed. It holds no secret. */
export interface DemotionToken {
  readonly timeline: number
  readonly redo: bigint
  readonly redoText: string
  readonly systemId: string
}

/** The content of a token (base64 of JSON, all fields text; CloudNativePG promotion_token.go); null when it is none. */
export function decodeToken(token: string | null | undefined): DemotionToken | null {
  try {
    const content = JSON.parse(Buffer.from(token ?? '', 'base64').toString('utf8')) as Record<string, string>
    const redo = parseLsn(content.latestCheckpointREDOLocation)
    const timeline = Number(content.latestCheckpointTimelineID)
    if (redo === null || !Number.isInteger(timeline) || content.databaseSystemIdentifier === undefined) return null
    return {
      timeline,
      redo,
      redoText: content.latestCheckpointREDOLocation ?? '',
      systemId: content.databaseSystemIdentifier,
    }
  } catch {
    return null
  }
}
