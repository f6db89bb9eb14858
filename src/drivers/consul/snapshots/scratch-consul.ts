import type { SshResult } from '../../../clients/ssh.ts'
import type { Sandbox } from '../../../domain/restore-test.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { asStandbyError, siteError } from '../../../errors/standby-error.ts'
import { type HostSandbox, openHostSandbox, type RunInSandbox } from '../../../platform/hosts/sandbox.ts'
import { sandboxPort } from '../../../platform/hosts/sandbox-port.ts'
import { sandboxStuck } from '../../../platform/hosts/sandbox-stuck.ts'
import { serverNameOf } from '../../../platform/hosts/sandbox-units.ts'
import type { JsonObject } from '../../../values/json.ts'
import { lastWords } from '../../../values/last-words.ts'
import type { Federation } from '../spec.ts'

/**
 * A Consul server of its own in the sandbox of hosts, alone in a datacenter of the name of the original: it reaches
 * no other server, and is asked by a Unix socket. It checks no ACL, and has the tokens of the snapshot all the same.
 */
export interface ScratchConsul {
  readonly box: HostSandbox
  /** Runs a script in the folder. Throws `sandbox-stuck` where the machine has no Consul. */
  run(script: string, how?: RunInSandbox): Promise<SshResult>
  start(datacenter: string): Promise<void>
}

const NO_PROGRAMS = 71
const PROLOGUE = `set -eu; export LC_ALL=C
mkdir -p "$1"; cd "$1"; shift
for program in consul curl; do command -v $program >/dev/null || exit ${NO_PROGRAMS}; done
ask() { curl --silent --show-error --unix-socket consul.sock "$@"; }
`
/** The name of the scratch server among its nodes: none of a snapshot has it. */
export const SCRATCH_NODE = 'standby-restore-test'

/** The place of the scratch server in this restore test; nothing is started. */
export async function scratchConsul(
  component: Federation,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<ScratchConsul> {
  const box = await openHostSandbox(sandbox, context)
  const directory = `${box.directory}/${component.name}`
  const ports = {
    server: sandboxPort(context.stack, component, 8300),
    serf_lan: sandboxPort(context.stack, component, 8400),
  }
  const run: ScratchConsul['run'] = async (script, how) => {
    const result = await box.run(['/bin/sh', '-c', PROLOGUE + script, 'sh', component.name], how)
    if (result.code !== NO_PROGRAMS) return result
    throw siteError('sandbox-stuck', `${box.machine} has no Consul, or no curl`, {
      where: `${sandbox.site} ${box.machine}`,
      next: 'Install the program consul, of the version of the servers, and curl there; no agent has to run.',
    })
  }
  return {
    box,
    run,
    async start(datacenter) {
      await box.put(`${component.name}/consul.json`, JSON.stringify(configurationOf(datacenter, directory, ports)))
      const script = `${PROLOGUE}rm -f ended; consul agent -config-file consul.json >log 2>&1 || :; : >ended`
      await box.start(serverNameOf(component), ['/bin/sh', '-c', script, 'sh', component.name])
      const ready = await run(READY, { within: sandbox.deadline }).catch((error: unknown) => {
        throw sandboxStuck(box, 'the scratch Consul does not begin', asStandbyError(error).message)
      })
      if (ready.code !== 0) throw sandboxStuck(box, 'the scratch Consul does not begin', ready.stderr)
    },
  }
}

const configurationOf = (datacenter: string, directory: string, ports: JsonObject) => ({
  datacenter,
  node_name: SCRATCH_NODE,
  server: true,
  bootstrap_expect: 1,
  data_dir: `${directory}/data`,
  bind_addr: '127.0.0.1',
  addresses: { http: `unix://${directory}/consul.sock` },
  ports: { ...ports, serf_wan: -1, dns: -1, grpc: -1, grpc_tls: -1 },
  connect: { enabled: false },
  performance: { raft_multiplier: 1 },
  disable_update_check: true,
  log_level: 'WARN',
})

/** A leader is there when it names itself. */
const LED = `ask http://consul/v1/status/leader 2>/dev/null | grep -q '"[^"]'`
const READY = `until [ -f ended ]; do if ${LED}; then exit 0; fi; sleep 0.1; done
tail -n 4 log >&2; exit 1`

/** Replaces the whole state by `consul.snap`: null, or why Consul does not take it. */
export async function restoreInto(server: ScratchConsul, sandbox: Sandbox): Promise<string | null> {
  const script = `code=$(ask -o answer -w '%{http_code}' -X PUT -T consul.snap http://consul/v1/snapshot)
[ "$code" = 200 ] || { echo "it answers $code: $(head -c 300 answer)" >&2; exit 1; }
${READY}`
  const { code, stderr } = await server.run(script, { within: sandbox.deadline })
  return code === 0 ? null : lastWords(stderr)
}

/** JSON values of paths below `/v1/`; null where there is none. Throws `sandbox-stuck`. */
export async function readFrom(server: ScratchConsul, paths: readonly string[]): Promise<unknown[]> {
  const script = `while read -r path; do
  code=$(ask -o answer -w '%{http_code}' "http://consul/v1/$path")
  case $code in 200) tr -d '\\n' <answer ;; 404) printf null ;; *) echo "$path answers $code: $(head -c 200 answer)" >&2; exit 1 ;; esac
  echo
done`
  const { code, stdout, stderr } = await server.run(script, { stdin: `${paths.join('\n')}\n` })
  const lines = stdout.trimEnd().split('\n')
  if (code !== 0 || lines.length !== paths.length)
    throw sandboxStuck(server.box, 'the restored Consul does not answer', stderr)
  return lines.map((line): unknown => JSON.parse(line))
}

/** `1.22.7`, of the program in the sandbox. */
export async function versionOf(server: ScratchConsul): Promise<string> {
  const { stdout } = await server.run('consul version')
  return /^Consul v?(\S+)/.exec(stdout)?.[1] ?? ''
}
