import type { ObjectStoreClient } from '../../clients/object-store-client.ts'
import type { SshResult } from '../../clients/ssh.ts'
import type { Sandbox } from '../../domain/restore-test.ts'
import type { HostSandbox, RunInSandbox } from './sandbox.ts'
import { sandboxStuck } from './sandbox-stuck.ts'

/** Where an object comes from, and where it goes. */
export interface Fetching {
  readonly store: ObjectStoreClient
  /** Relative to the store. */
  readonly key: string
  readonly sandbox: Sandbox
  /** PEM: the authorities of the store; undefined: those of the system. */
  readonly authorities: string | undefined
  /** A folder of the sandbox, in which scripts of `server` run, and the name that the object gets there. */
  readonly folder: string
  readonly file: string
  /** For people: `dump`. */
  readonly what: string
}

/** What runs scripts in that folder. */
interface Scripts {
  readonly box: HostSandbox
  run(script: string, how?: RunInSandbox): Promise<SshResult>
}

/**
 * Brings one object into the sandbox, and returns its SHA-256. The sandbox gets an address that reads this object for a
 * while, and no key of the store. Throws `sandbox-stuck` where curl cannot fetch it.
 */
export async function fetchIntoSandbox(
  { box, run }: Scripts,
  { store, key, sandbox, authorities, folder, file, what }: Fetching,
): Promise<string> {
  if (authorities !== undefined) await box.put(`${folder}/authorities.pem`, authorities)
  const request = [
    ...['fail', 'silent', 'show-error', 'retry = 3', `output = "${file}"`],
    `url = "${await store.presignedGet(key, sandbox.deadline)}"`,
    ...(authorities === undefined ? [] : ['cacert = "authorities.pem"']),
  ]
  const { code, stdout, stderr } = await run(`curl --config -; sha256sum ${file}`, {
    stdin: `${request.join('\n')}\n`,
    network: 'host',
    within: sandbox.deadline,
  })
  if (code !== 0) throw sandboxStuck(box, `the ${what} could not be fetched by curl`, stderr)
  return stdout.slice(0, 64)
}
