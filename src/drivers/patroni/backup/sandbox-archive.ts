import { isLogin } from '../../../clients/object-store-client.ts'
import type { SshResult } from '../../../clients/ssh.ts'
import type { Sandbox } from '../../../domain/restore-test.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { siteError } from '../../../errors/standby-error.ts'
import { type HostSandbox, openHostSandbox, type RunInSandbox } from '../../../platform/hosts/sandbox.ts'
import type { Database } from '../spec.ts'
import { backupsOf, stanzaOf } from './declared.ts'

/** The archive of one stanza, read from inside the sandbox of hosts with keys that only read. */
export interface SandboxArchive {
  readonly box: HostSandbox
  readonly stanza: string
  /** Absolute: of the copy of this component. */
  readonly directory: string
  /**
   * Runs a script in the directory, with its arguments. `pgbackrest` finds the repository. Only with `reads` has the
   * script the network of the machine and the keys. Throws `sandbox-stuck` where the machine has no pgBackRest.
   */
  run(
    script: string,
    args?: readonly string[],
    how?: Omit<RunInSandbox, 'network' | 'env'> & { readonly reads?: true },
  ): Promise<SshResult>
}

const NO_PGBACKREST = 72
const PROLOGUE = `set -eu
export LC_ALL=C TZ=UTC HOME="$PWD"
mkdir -p "$1"; cd "$1"; shift
`
const READING = `command -v pgbackrest >/dev/null || exit ${NO_PGBACKREST}
`

/** Takes the sandbox; nothing is read yet. */
export async function openArchive(
  component: Database,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<SandboxArchive> {
  const box = await openHostSandbox(sandbox, context)
  const directory = `${box.directory}/${component.name}`
  const { authorities } = context.objectStore(backupsOf(component).store, source).location
  const environment = await environmentOf(component, source, directory, context)
  if (authorities !== undefined) await box.put(`${component.name}/authorities.pem`, authorities)
  return {
    box,
    directory,
    stanza: stanzaOf(component, source),
    async run(script, args = [], { reads, ...how } = {}) {
      const whole = PROLOGUE + (reads ? READING : '') + script
      const result = await box.run(['/bin/sh', '-c', whole, 'sh', component.name, ...args], {
        ...how,
        ...(reads ? { network: 'host', env: environment } : {}),
      })
      if (result.code === NO_PGBACKREST)
        throw siteError('sandbox-stuck', `${box.machine} has no pgBackRest`, {
          where: `${sandbox.site} ${box.machine}`,
          next: 'Install the package pgbackrest there; no configuration is needed.',
        })
      return result
    },
  }
}

/** Each option of pgBackRest is a variable: secrets are in no file and in no argument. */
async function environmentOf(
  component: Database,
  source: SiteName,
  directory: string,
  context: DriverContext,
): Promise<Readonly<Record<string, string>>> {
  const { store, folder, cipher } = backupsOf(component)
  const { location } = context.objectStore(store, source)
  const { readCredentials: keys, endpoint, region, bucket, prefix, authorities } = location
  if (isLogin(keys)) throw new Error(`${store} of ${source} is read by a login`)
  const { hostname, port } = new URL(endpoint)
  const [key, secret, token, pass] = await Promise.all([
    context.credential(keys.accessKeyId, source),
    context.credential(keys.secretAccessKey, source),
    keys.sessionToken === undefined ? null : context.credential(keys.sessionToken, source),
    cipher === undefined ? null : context.credential(cipher, source),
  ])
  const options: Readonly<Record<string, string | null>> = {
    REPO1_TYPE: 's3',
    REPO1_S3_ENDPOINT: hostname,
    REPO1_STORAGE_PORT: port === '' ? '443' : port,
    REPO1_S3_REGION: region,
    REPO1_S3_BUCKET: bucket,
    REPO1_S3_URI_STYLE: 'path',
    REPO1_S3_KEY: key,
    REPO1_S3_KEY_SECRET: secret,
    REPO1_S3_TOKEN: token,
    REPO1_STORAGE_CA_FILE: authorities === undefined ? null : `${directory}/authorities.pem`,
    REPO1_PATH: `/${prefix}${folder}`,
    REPO1_CIPHER_TYPE: pass === null ? null : 'aes-256-cbc',
    REPO1_CIPHER_PASS: pass,
    // Nothing of the machine's own configuration, and no path that it would write to.
    CONFIG: '/dev/null',
    STANZA: stanzaOf(component, source),
    PG1_PATH: `${directory}/data`,
    LOCK_PATH: `${directory}/lock`,
    SPOOL_PATH: `${directory}/spool`,
    LOG_LEVEL_FILE: 'off',
    LOG_LEVEL_CONSOLE: 'off',
    LOG_LEVEL_STDERR: 'error',
    IO_TIMEOUT: '20',
  }
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) => (value === null ? [] : [[`PGBACKREST_${name}`, value]])),
  )
}
