import { DUMP, FETCH, LOAD, PLACES, STORE } from './scripts.ts'

/** Scripts that run in the pod of the running server, while users wait. */

/** The folder of one dump, `$1`. A second call waits for the first, and finds its result. */
const DUMP_FOLDER = `${PLACES}
set -eu
folder="$WORK/dump-$1"
mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
`

/**
 * DUMP in the pod of the server, if the data are small: a pod that fills the disk of its node is evicted, and this one
 * serves users.
 */
export const DUMP_IN_PLACE = `${DUMP_FOLDER}
[ ! -s "$folder/id" ] || exit 0
used=$(redis-cli -h "$REDIS_HOST" -p "$PORT" INFO memory | tr -d '\\r' | sed -n 's/^used_memory://p')
[ "\${used:-0}" -le "\${MOST:=1073741824}" ] || { echo "$used bytes are too many for the pod of the server" >&2; exit 1; }
rm -f "$WORK"/dump-*/dump.rdb
WORK=$folder
${DUMP}`

/**
 * The same for UPLOAD, in the sidecar. Dumps that are too old are left for the next scheduled one to remove: users
 * wait.
 */
export const STORE_IN_PLACE = `${DUMP_FOLDER}
[ ! -s "$folder/stored" ] || exit 0
WORK=$folder LAST_WORDS=$folder/stored CONNECT=3
${STORE}
rm -f "$WORK/dump.rdb"
`

/** Says which dump STORE_IN_PLACE has stored. */
export const STORED_IN_PLACE = `${PLACES}
cat "$WORK/dump-$1/stored" 2>/dev/null || :
`

/** Exit code of a call that came too late: another dump was loaded since its caller looked. */
export const TOO_LATE = 75

/**
 * Reads a request from the standard input, line by line: its address holds a signature, and arguments are written to
 * audit logs.
 */
const ASKED = `${PLACES}
set -eu
umask 077
REQUEST=$(mktemp -d "$WORK/request.XXXXXX")
trap 'rm -rf "$REQUEST"' EXIT
for field in seen id url sha256 otherwise; do
  IFS= read -r value
  printf '%s' "$value" > "$REQUEST/$field"
done
# Of many lines: on one in base64, and absent where a store needs none.
if IFS= read -r value && [ -n "$value" ]; then printf '%s' "$value" | base64 -d > "$REQUEST/authorities"; fi
still_due() {
  loaded=$(cat "$DATA/.standby-restored" 2>/dev/null || :)
  [ "$loaded" != "$(cat "$REQUEST/id")" ] || exit 0
  [ "$loaded" = "$(cat "$REQUEST/seen")" ] || { echo "another dump was loaded meanwhile: $loaded" >&2; exit ${TOO_LATE}; }
}
`

/** FETCH beside the running server, with short timeouts: a start of the pod has longer ones. */
export const FETCH_IN_PLACE = `${ASKED}
still_due
CONNECT=3 RETRY=0
${FETCH}`

/**
 * LOAD beside the running server, which then starts again with it. A second call waits for the first, and finds its
 * result.
 */
export const LOAD_IN_PLACE = `${ASKED}
exec 9> "$WORK/load.lock"
flock 9
still_due
(${LOAD})
redis-cli -p "$PORT" shutdown nosave now force > "$REQUEST/answer" 2>&1 || :
within() {
  tries=$1
  shift
  until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}
loaded() { [ "$(cat "$DATA/.standby-restored" 2>/dev/null)" = "$(cat "$REQUEST/id")" ]; }
answers() { [ "$(redis-cli -p "$PORT" ping 2>/dev/null)" = PONG ]; }
within 300 loaded || { echo "Redis did not start again with the dump: $(cat "$REQUEST/answer")" >&2; exit 1; }
# What it loads for longer, its caller waits for.
within 100 answers || :
`
