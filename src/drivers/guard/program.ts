import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { codes } from './codes.ts'

/** What a guard runs: this tool's own bundle, packed for a ConfigMap. */
export interface Program {
  /** The bundle, gzipped and in base64, as `binaryData` holds it. */
  readonly packed: string
  readonly bytes: number
  readonly sha256: string
}

/**
 * Bytes of the program: below the limit of a ConfigMap (https://kubernetes.io/docs/concepts/configuration/configmap/),
 * with room for the stack file.
 */
const MOST_BYTES = 900 * 1024

/** The bundle beside the stub that runs now; in a checkout, the one that was built last. */
export async function readProgram(running: string = process.argv[1] ?? ''): Promise<Program> {
  const places = [
    join(dirname(running), 'standby.js'),
    join(import.meta.dirname, '..', '..', '..', 'dist', 'standby.js'),
  ]
  for (const place of places) {
    const source = await readFile(place).catch(() => null)
    if (source !== null) return packed(source, place)
  }
  throw codes.error('guard-program-missing', `the bundle is in none of ${places.join(', ')}`, {
    retry: 'never',
    next: 'Build it: npm run build.',
  })
}

function packed(source: Buffer, place: string): Program {
  const bytes = gzipSync(source, { level: 9 })
  if (bytes.length > MOST_BYTES)
    throw codes.error(
      'guard-program-too-large',
      `${place} is ${bytes.length} bytes when it is packed; a ConfigMap takes ${MOST_BYTES}`,
      { retry: 'never' },
    )
  return {
    packed: bytes.toString('base64'),
    bytes: bytes.length,
    sha256: createHash('sha256').update(source).digest('hex'),
  }
}

/** Unpacks the bundle into the pod's memory and runs it: the root file system is read-only. */
export const BOOT = `import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

writeFileSync('/run/standby/standby.mjs', gunzipSync(readFileSync('/etc/standby/standby.js.gz')))
const { runCli } = await import('/run/standby/standby.mjs')
await runCli()
`
