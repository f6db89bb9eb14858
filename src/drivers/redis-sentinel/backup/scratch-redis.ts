import type { SshResult } from '../../../clients/ssh.ts'
import type { Sandbox } from '../../../domain/restore-test.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { asStandbyError, siteError } from '../../../errors/standby-error.ts'
import { type HostSandbox, openHostSandbox, type RunInSandbox } from '../../../platform/hosts/sandbox.ts'
import { sandboxPort } from '../../../platform/hosts/sandbox-port.ts'
import { sandboxStuck } from '../../../platform/hosts/sandbox-stuck.ts'
import { serverNameOf } from '../../../platform/hosts/sandbox-units.ts'
import { infoFields } from '../../../systems/redis/info.ts'
import { lastWords } from '../../../values/last-words.ts'
import type { Group } from '../spec.ts'

/**
 * A Redis of its own in the sandbox of hosts: it loads `dump.rdb` of its folder, writes nothing, and is reached by a
 * Unix socket there, or by a port of the network that the programs of this sandbox alone share.
 */
export interface ScratchRedis {
  readonly box: HostSandbox
  /** Absolute. */
  readonly directory: string
  readonly port: number
  /** Runs a script in the folder. Throws `sandbox-stuck` where the machine has no Redis. */
  run(script: string, how?: RunInSandbox): Promise<SshResult>
}

const NO_PROGRAMS = 71
const PROLOGUE = `set -eu; export LC_ALL=C
mkdir -p "$1"; cd "$1"; shift
for program in redis-server redis-check-rdb redis-cli; do command -v $program >/dev/null || exit ${NO_PROGRAMS}; done
`

/** The place of the scratch server in this restore test; nothing is started. */
export async function scratchRedis(component: Group, sandbox: Sandbox, context: DriverContext): Promise<ScratchRedis> {
  const box = await openHostSandbox(sandbox, context)
  return {
    box,
    port: sandboxPort(context.stack, component, 6379),
    directory: `${box.directory}/${component.name}`,
    async run(script, how) {
      const result = await box.run(['/bin/sh', '-c', PROLOGUE + script, 'sh', component.name], how)
      if (result.code === NO_PROGRAMS)
        throw siteError('sandbox-stuck', `${box.machine} has no Redis`, {
          where: `${sandbox.site} ${box.machine}`,
          next: 'Install redis-server and redis-tools there; no server has to run.',
        })
      return result
    },
  }
}

/** `7.0.15`, of the programs in the sandbox. */
export async function versionOf(server: ScratchRedis): Promise<string> {
  const { stdout } = await server.run('redis-server --version')
  return /\bv=(\S+)/.exec(stdout)?.[1] ?? ''
}

/** Starts the server with the dump, and waits until that is loaded: null, or why it does not load. */
export async function loadDump(
  component: Group,
  server: ScratchRedis,
  { sandbox, databases }: { readonly sandbox: Sandbox; readonly databases: number },
): Promise<string | null> {
  const settings = [
    ...['--bind', '127.0.0.1', '--port', String(server.port), '--protected-mode', 'no'],
    ...['--unixsocket', '"$PWD/redis.sock"', '--dir', '"$PWD"', '--dbfilename', 'dump.rdb', '--logfile', '"$PWD/log"'],
    ...['--save', "''", '--appendonly', 'no', '--maxmemory', '0', '--databases', String(databases)],
  ].join(' ')
  const script = `${PROLOGUE}rm -f ended; redis-server ${settings} || :; : >ended`
  await server.box.start(serverNameOf(component), ['/bin/sh', '-c', script, 'sh', component.name])
  try {
    const { code, stderr } = await server.run(READY, { within: sandbox.deadline })
    return code === 0 ? null : lastWords(stderr)
  } catch (error) {
    const { code, message } = asStandbyError(error)
    if (code !== 'process-timeout') throw error
    return message
  }
}

/** A Redis that loads answers INFO; one that could not load has ended. */
const READY = `until [ -f ended ]; do
  if redis-cli -s redis.sock INFO persistence 2>/dev/null | grep -q '^loading:0'; then exit 0; fi
  sleep 0.1
done
tail -n 4 log >&2; exit 1`

/** The fields of INFO of the loaded server. */
export async function infoOf(server: ScratchRedis): Promise<ReadonlyMap<string, string>> {
  const { code, stdout, stderr } = await server.run('exec redis-cli -s redis.sock INFO')
  if (code !== 0) throw sandboxStuck(server.box, 'the restored Redis does not answer', stderr)
  return infoFields(stdout)
}
