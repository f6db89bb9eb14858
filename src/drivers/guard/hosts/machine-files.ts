import { createHash } from 'node:crypto'
import type { SiteName, Stack } from '../../../domain/stack.ts'
import {
  CONFIGURATION,
  fileFolder,
  gateService,
  guardService,
  runFolder,
  WITNESS_AUTHORITIES,
} from '../../../guard/names.ts'
import { canonicalJson } from '../../../values/json.ts'
import type { Program } from '../program.ts'
import type { GuardComponent } from '../spec.ts'

export interface MachineParts {
  readonly program: Program
  /** The stack file as it is: it holds no credentials. */
  readonly stackFile: string
  /** PEM of the authorities of the witness; null: those that Node brings. */
  readonly authorities: string | null
  /** What the guard finds in its environment. */
  readonly variables: Readonly<Record<string, string>>
}

/** A file of the guard on a machine, owned by root. */
export interface MachineFile {
  readonly path: string
  /** In octal: `600`. */
  readonly mode: string
  readonly content: string
  /** The content is gzipped and in base64, and `sha256` is that of the file. */
  readonly packed?: { readonly sha256: string }
}
export const sha256Of = ({ content, packed }: MachineFile): string =>
  packed?.sha256 ?? createHash('sha256').update(content).digest('hex')

/** All that the guard of one machine consists of. Pure. */
export function machineFiles(
  component: GuardComponent,
  stack: Stack,
  site: SiteName,
  machine: string,
  parts: MachineParts,
): { readonly files: readonly MachineFile[]; readonly configuration: string } {
  const folder = fileFolder(stack.name)
  const { program, stackFile, authorities, variables } = parts
  const node = component.spec.node ?? '/usr/local/bin/node'
  const files: MachineFile[] = [
    {
      path: `${folder}/standby.mjs`,
      mode: '644',
      content: program.packed,
      packed: { sha256: program.sha256 },
    },
    { path: `${folder}/boot.mjs`, mode: '644', content: BOOT },
    { path: `${folder}/standby.yaml`, mode: '644', content: stackFile },
    { path: `${folder}/environment`, mode: '600', content: environmentFile(variables) },
    ...(authorities === null ? [] : [{ path: `${folder}/${WITNESS_AUTHORITIES}`, mode: '644', content: authorities }]),
    { path: `${folder}/gate`, mode: '755', content: gateScript(stack.name) },
    {
      path: `/etc/systemd/system/${gateService(stack.name, '')}`,
      mode: '644',
      content: gateUnit(stack.name),
    },
  ]
  const unit = (configuration: string): MachineFile => ({
    path: `/etc/systemd/system/${guardService(stack.name)}`,
    mode: '644',
    content: guardUnit(stack.name, site, machine, node, configuration),
  })
  const configuration = hash(canonicalJson([...files, unit('')].map((file) => [file.path, sha256Of(file)]))).slice(
    0,
    16,
  )
  return { files: [...files, unit(configuration)], configuration }
}
const hash = (text: string): string => createHash('sha256').update(text).digest('hex')

const BOOT = `const { runCli } = await import('./standby.mjs')
await runCli()
`

/** As `EnvironmentFile=` reads it: within double quotes only `\` and `"` are special (systemd.exec(5)). */
const environmentFile = (variables: MachineParts['variables']): string =>
  Object.entries(variables)
    .map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&')}"\n`)
    .join('')

/** Starts early and by itself; it asks for the witness until it answers. */
const guardUnit = (stack: string, site: string, machine: string, node: string, configuration: string): string => `[Unit]
Description=Standby's guard of ${stack} on ${site} ${machine}: keeps the site closed while it is not the active one
StartLimitIntervalSec=0

[Service]
ExecStart=${node} ${fileFolder(stack)}/boot.mjs --stack ${fileFolder(stack)}/standby.yaml guard --on hosts --site ${site} --machine ${machine} --memory ${runFolder(stack)}
EnvironmentFile=${fileFolder(stack)}/environment
Environment=${CONFIGURATION}=${configuration}
# Outlives the guard, and no boot: what it knows, what it reports, and the starts that wait.
RuntimeDirectory=${runFolder(stack).replace('/run/', '')}
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
Restart=always
RestartSec=1
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`

/** A new start of a guarded unit starts its gate anew: it does not remain after it has ended. */
const gateUnit = (stack: string): string => `[Unit]
Description=Standby's gate of ${stack}: lets %i start once the guard of this machine has judged it
Wants=${guardService(stack)}
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=${fileFolder(stack)}/gate %i.service
TimeoutStartSec=infinity
`

/** Asks the guard by a file, and waits for the answer that repeats its mark (`src/guard/start-gate.ts`). */
const gateScript = (stack: string): string => `#!/bin/sh
umask 077
folder=${runFolder(stack)}
service=$1
mkdir -p "$folder/asks" "$folder/answers" || exit 1
mark="$$.$(cat /proc/sys/kernel/random/uuid)" || exit 1
trap 'rm -f "$folder/asks/$service"' EXIT
trap 'exit 1' TERM INT
echo "$mark" >"$folder/asks/.$service.$$" && mv "$folder/asks/.$service.$$" "$folder/asks/$service" || exit 1
said=
while :; do
  if read -r answered verdict why 2>/dev/null <"$folder/answers/$service" && [ "$answered" = "$mark" ]; then
    case $verdict in
      open) exit 0 ;;
      shut) echo "$service does not start: $why" >&2; exit 1 ;;
    esac
    [ "$why" = "$said" ] || echo "$service waits: $why"
    said=$why
  fi
  sleep 0.1
done
`
