import { seconds } from '../../values/duration.ts'

/** Marks a directory that restore tests may empty; nothing is ever removed from a directory without it. */
export const SANDBOX_MARK = '.standby-sandbox'
/** Which restore test has the sandbox; its time of change says when that test was last heard. */
export const SANDBOX_OWNER = '.standby-owner'

/** The name of the directory, below the one that the stack file declares. */
export const sandboxName = (stack: string): string => `standby-restore-${stack}`

/** The name of the server of a component in a sandbox: at most 42 characters. Pure. */
export const serverNameOf = ({ name }: { readonly name: string }): string => name.slice(0, 42).replace(/-+$/, '')

/**
 * What the names of all units of a sandbox begin with, and the name of their slice. No name of a stack contains `_`:
 * with `-` the units of `shop` would be a part of those of `shop-eu`, and its slice the parent of theirs.
 */
export const unitsOf = (sandbox: string): string => sandbox.replaceAll('-', '_')

/** A restore test that was not heard for so long has died: its sandbox is emptied by the machine itself. */
export const LEASE = seconds(300)

/** How a program for the shell of the machine ends when it has not done what it was to do. */
export const EXIT = { missing: 44, left: 45, unsupported: 46, taken: 47, userless: 48, full: 49, gone: 50 } as const

/** The share of the file system that stays free: what else stands there, such as a database, needs it. */
const FREE_PERCENT = 5

/** One sandbox on one machine, as the programs below need it. No part of it holds a character that a shell reads. */
export interface SandboxPlace {
  /** Absolute: of the administrator, with the mark in it. */
  readonly directory: string
  readonly units: string
  /** The restore test that asks. */
  readonly test: string
  /** A user without rights. */
  readonly user: string
}

/** Where the programs of a sandbox live: nothing else of the machine can be written by them. */
export const workOf = ({ directory }: Pick<SandboxPlace, 'directory'>): string => `${directory}/work`

/** The beginning of each program for the shell. `$1` is not used: all is in the text. */
const begin = ({ directory }: SandboxPlace): string => `set -eu
[ -d ${directory} ] && [ ! -L ${directory} ] && [ -f ${directory}/${SANDBOX_MARK} ] || exit ${EXIT.missing}
owner() { cat ${directory}/${SANDBOX_OWNER} 2>/dev/null || :; }
heard() { echo $(( $(date +%s) - $(stat -c %Y ${directory}/${SANDBOX_OWNER}) )); }
exec 9<${directory}; flock -w 30 9`

/** Refuses where another test, which lives, has the sandbox. */
const unlessTaken = ({ test }: SandboxPlace): string =>
  `now=$(owner); if [ -n "$now" ] && [ "$now" != ${test} ] && [ "$(heard)" -lt ${LEASE / 1_000} ]; then echo "$now"; exit ${EXIT.taken}; fi`

/** Refuses where the sandbox is not this test's any more, and notes that the test was heard. */
export const asOwner = (place: SandboxPlace): string => `${begin(place)}
now=$(owner); [ "$now" = ${place.test} ] || { echo "$now"; exit ${EXIT.gone}; }
touch ${place.directory}/${SANDBOX_OWNER}
set -- $(df -Pk ${place.directory} | tail -n 1)
[ $(( $4 * 100 )) -ge $(( $2 * ${FREE_PERCENT} )) ] || { echo "$4 of $2 KiB"; systemctl stop ${place.units}.slice; exit ${EXIT.full}; }
flock -u 9`

/**
 * Stops all units, removes all files, and prints how many of both there were. The limits of the slice lie below /run:
 * they are removed as a file, because `systemctl revert` would reload all units of the machine.
 */
const clear = ({ directory, units }: SandboxPlace, timer: boolean): string => {
  const kept = `! -path ${directory}/${SANDBOX_MARK} ! -path ${directory}/${SANDBOX_OWNER}`
  return `found=0
if [ -d /run/systemd/system ]; then
  found=$(systemctl list-units --all --plain --no-legend '${units}.*.service' | grep -vc '^${units}[.]watchdog' || :)
  ${timer ? `systemctl stop ${units}.watchdog.timer ${units}.watchdog.service 2>/dev/null || :` : ':'}
  systemctl stop ${units}.slice 2>/dev/null || :
  systemctl reset-failed '${units}.*' 2>/dev/null || :
  rm -rf /run/systemd/system.control/${units}.slice.d
  running=$(systemctl list-units --plain --no-legend --state=active,activating,deactivating '${units}.*.service' | grep -v '^${units}[.]watchdog' || :)
  [ -z "$running" ] || { echo "$running"; exit ${EXIT.left}; }
fi
files=$(find ${directory} -xdev -mindepth 1 ${kept} | wc -l)
find ${directory} -xdev -mindepth 1 ${kept} -delete || :
left=$(find ${directory} -mindepth 1 ${kept} | head -n 20)
[ -z "$left" ] || { echo "$left"; exit ${EXIT.left}; }
rm -f ${directory}/${SANDBOX_OWNER}
echo $(( files + found ))`
}

/** Empties the sandbox, and gives it back; refuses while another test has it. */
export const emptying = (place: SandboxPlace): string => `${begin(place)}
${unlessTaken(place)}
${clear(place, true)}`

/**
 * Makes the sandbox this test's: a slice that bounds all that runs in it, a unit that holds its network (none) and ends
 * with the deadline, and a timer by which the machine empties the sandbox itself once the test is not heard any more.
 * What the timer starts is a file: systemd 252 changes each dollar sign of a command line when it is reloaded.
 */
export function claiming(place: SandboxPlace, deadlineSeconds: number): string {
  const { directory, units, test, user } = place
  const watchdog = `${begin(place)}
[ -n "$(owner)" ] && [ "$(heard)" -lt ${LEASE / 1_000} ] && exit 0
${clear(place, false)}
systemctl stop ${units}.watchdog.timer`
  return `[ "$(id -u)" = 0 ] && [ -d /run/systemd/system ] || exit ${EXIT.unsupported}
id -u ${user} >/dev/null 2>&1 || exit ${EXIT.userless}
${begin(place)}
${unlessTaken(place)}
echo ${test} >${directory}/${SANDBOX_OWNER}
install -d -m 755 ${directory}/units
install -d -m 700 -o ${user} -g $(id -g ${user}) ${workOf(place)}
cat >${directory}/units/watchdog.sh <<'END'
${watchdog}
END
systemctl set-property --runtime ${units}.slice ${SLICE.join(' ')}
systemctl --quiet is-active ${units}.watchdog.timer || systemd-run --quiet --collect ${DESCRIPTION} --unit=${units}.watchdog \\
  --on-active=60 --on-unit-active=60 --timer-property=AccuracySec=5s sh ${directory}/units/watchdog.sh
systemctl --quiet is-active ${units}.anchor.service || systemd-run --quiet --collect ${DESCRIPTION} --unit=${units}.anchor --slice=${units}.slice \\
  ${properties([...ANCHOR(user), `RuntimeMaxSec=${deadlineSeconds}`])} sleep infinity`
}

/**
 * Otherwise it is the command line: one with a line break makes a unit that is lost when systemd is reloaded
 * (systemd 252).
 */
const DESCRIPTION = "--description='Restore test of Standby'"

/** Of all that runs in one sandbox together; what serves comes first. */
const SLICE = ['MemoryMax=50%', 'TasksMax=1024', 'CPUWeight=20', 'IOWeight=20']

/** Holds the namespace without a network, and removes shared memory when the last one has gone. */
const ANCHOR = (user: string): string[] => [`User=${user}`, 'PrivateNetwork=yes', 'PrivateTmp=yes', 'RemoveIPC=yes']

export interface SandboxUnit {
  readonly name: string
  readonly argv: readonly string[]
  readonly network: 'none' | 'host'
  /** Seconds until systemd ends it. */
  readonly within: number
  readonly environment: boolean
  readonly stdin: boolean
}

/**
 * Starts a unit; does nothing where it was started already, because the answer to the first try may be lost. The
 * program's stdin and environment are files of root, which systemd opens: no secret is an argument.
 */
export function starting(place: SandboxPlace, unit: SandboxUnit): string {
  const { directory, units, user } = place
  const file = `${directory}/units/${unit.name}`
  const name = `${units}.${unit.name}`
  const wanted = [
    ...CONFINED,
    `User=${user}`,
    `WorkingDirectory=${workOf(place)}`,
    `ReadWritePaths=${workOf(place)}`,
    `BindsTo=${units}.anchor.service`,
    `After=${units}.anchor.service`,
    ...(unit.network === 'none'
      ? ['PrivateNetwork=yes', `JoinsNamespaceOf=${units}.anchor.service`]
      : ['BindReadOnlyPaths=-/run/systemd/resolve']),
    'RemainAfterExit=yes',
    `RuntimeMaxSec=${unit.within}`,
    `StandardOutput=file:${file}.out`,
    `StandardError=file:${file}.err`,
    ...(unit.stdin ? [`StandardInput=file:${file}.in`] : []),
    ...(unit.environment ? [`EnvironmentFile=${file}.env`] : []),
  ]
  return `${asOwner(place)}
[ "$(systemctl show --property=LoadState --value ${name}.service)" = not-found ] || exit 0
systemctl --quiet is-active ${units}.anchor.service || exit ${EXIT.gone}
systemd-run --quiet ${DESCRIPTION} --unit=${name} --slice=${units}.slice --service-type=exec ${properties(wanted)} -- \\
  ${unit.argv.map((word) => `'${forUnit(word)}'`).join(' ')} || {
  code=$?
  eval "$(systemctl show --property=LoadState,ExecMainCode,ExecMainStatus ${name}.service)"
  [ "$LoadState" = loaded ] && [ "$ExecMainCode" != 0 ] || exit $code
  # It ran, and ended so soon that its start counts as failed; systemd itself ends with these where it cannot run it.
  [ "$ExecMainCode" != 1 ] || [ "$ExecMainStatus" -lt 200 ] || [ "$ExecMainStatus" -gt 243 ] || { echo "systemd ends with $ExecMainStatus, see systemd.exec(5)" >&2; exit $code; }
}`
}

/** No right, no way to get one, nothing to write but its own directory, nothing to hear of what else runs there. */
const CONFINED = [
  'UMask=0077',
  'NoNewPrivileges=yes',
  'CapabilityBoundingSet=',
  'ProtectSystem=strict',
  'ProtectHome=yes',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'ProtectKernelTunables=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelLogs=yes',
  'ProtectControlGroups=yes',
  'RestrictSUIDSGID=yes',
  'RestrictNamespaces=yes',
  'LockPersonality=yes',
  // The sockets of what else runs on the machine, such as its database, lie there.
  'TemporaryFileSystem=/run:ro',
  'Nice=5',
  'OOMScoreAdjust=800',
  'TimeoutStopSec=10',
]

const properties = (wanted: readonly string[]): string => wanted.map((one) => `--property='${one}'`).join(' ')

/** A word of a unit's command: for systemd, which replaces variables in it, and for the shell that quotes it. */
const forUnit = (word: string): string => word.replaceAll('$', '$$$$').replaceAll("'", `'\\''`)

/**
 * How a unit is, after `patience` seconds, or as soon as it has ended: three lines. State; stdout, once it has ended;
 * stderr; the streams in base64, because `sudo` writes to stderr as well, with at most `output` bytes of each.
 */
export function watching(place: SandboxPlace, name: string, patience: number, output: number): string {
  const file = `${place.directory}/units/${name}`
  return `${asOwner(place)}
tries=${Math.max(1, patience * 10)}
while :; do
  eval "$(systemctl show --property=LoadState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus ${place.units}.${name}.service)"
  case "$ActiveState.$SubState" in active.running|activating.*|deactivating.*|reloading.*) ended=0 ;; *) ended=1 ;; esac
  tries=$(( tries - 1 ))
  [ $ended = 0 ] && [ $tries -gt 0 ] || break
  sleep 0.1
done
echo "$ended $LoadState $Result $ExecMainCode $ExecMainStatus"
[ $ended = 0 ] || tail -c ${output} ${file}.out 2>/dev/null | base64 -w 0
echo
tail -c ${output} ${file}.err 2>/dev/null | base64 -w 0`
}

/** Stops a unit and forgets it; harmless where it is not there. */
export const forgetting = (place: SandboxPlace, name: string): string => `${asOwner(place)}
systemctl stop ${place.units}.${name}.service 2>/dev/null || :
systemctl reset-failed ${place.units}.${name}.service 2>/dev/null || :
rm -f ${place.directory}/units/${name}.*`

/**
 * Keeps what comes on stdin for a unit, readable for root alone. A connection that breaks ends stdin too early: only
 * the whole, of so many bytes, takes the place of an earlier one.
 */
export function keeping(place: SandboxPlace, name: string, kind: 'in' | 'env', bytes: number): string {
  const file = `${place.directory}/units/${name}.${kind}`
  return `${asOwner(place)}
umask 077; cat >${file}.$$
kept=$(wc -c <${file}.$$)
[ "$kept" -eq ${bytes} ] || { rm -f ${file}.$$; echo "$kept of ${bytes} bytes arrived" >&2; exit 1; }
mv ${file}.$$ ${file}`
}
