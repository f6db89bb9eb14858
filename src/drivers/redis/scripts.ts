import { CHECK, DATABASES } from '../../systems/redis/read-rdb.ts'

/**
 * What runs inside the pods: POSIX sh, so that the official images carry all that is needed. No password is ever an
 * argument: redis-cli reads REDISCLI_AUTH, redis-server a file in memory, curl its standard input.
 */

/** Places in the pods; tests set others. */
export const PLACES = `
: "\${DATA:=/data}" "\${WORK:=/work}" "\${REQUEST:=/request}" "\${RUN:=/run/redis}" "\${PORT:=6379}" "\${LAST_WORDS:=/dev/termination-log}"
`

/**
 * Swaps the data that LOAD has made ready with the present data, which are kept aside. After a crash in the middle the
 * swap is repeated.
 */
const SWAP = `
cd "$DATA"
if [ -f .standby-ready ]; then
  if [ -d .standby-new ]; then
    if [ -d appendonlydir ]; then rm -rf before-restore; mv appendonlydir before-restore; fi
    rm -f dump.rdb
    mv .standby-new appendonlydir
  fi
  cp .standby-ready .standby-restored.new
  sync
  mv .standby-restored.new .standby-restored
  rm -f .standby-ready
fi
`

/**
 * For a volume that this stack did not make, with a snapshot alone, as Redis has by default. With append-only
 * persistence Redis would ignore it and begin empty
 * (https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/, "How I can switch to AOF"). The snapshot
 * becomes its first file.
 */
const ADOPT = `
if [ ! -d appendonlydir ] && [ ! -f appendonly.aof ] && [ -s dump.rdb ]; then
  rm -rf .standby-adopted
  mkdir .standby-adopted
  cp dump.rdb .standby-adopted/appendonly.aof.1.base.rdb
  printf 'file appendonly.aof.1.base.rdb seq 1 type b\\n' > .standby-adopted/appendonly.aof.manifest
  sync
  mv .standby-adopted appendonlydir
fi
`

/**
 * Redis with append-only persistence. The password is written to memory, never to an argument or to the volume. Only a
 * starting Redis reads a dump (redis #10641): one that ends while a dump is ready is started again with it in the same
 * container, because a new pod takes seconds.
 */
export const SERVE = `${PLACES}
set -eu
umask 077
quoted=$(printf '%s' "$REDIS_PASSWORD" | sed 's/[\\\\"]/\\\\&/g')
cat > "$RUN/redis.conf" <<END
dir $DATA
port $PORT
protected-mode no
databases \${DATABASES:-16}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
repl-diskless-sync-delay 0
requirepass "$quoted"
END
ending= server=
trap 'ending=yes; [ -z "$server" ] || kill -TERM "$server" 2>/dev/null || :' TERM INT
while :; do${SWAP}${ADOPT}  [ -z "$ending" ] || exit 0
  redis-server "$RUN/redis.conf" &
  server=$!
  code=0
  wait "$server" || code=$?
  # A signal ends the wait, and not yet the server.
  while kill -0 "$server" 2>/dev/null; do code=0; wait "$server" || code=$?; done
  [ -z "$ending" ] && [ -f "$DATA/.standby-ready" ] || exit "$code"
done
`

/** First half of a dump: over the network, so that no volume is used and Redis goes on serving. */
export const DUMP = `${PLACES}${CHECK}${DATABASES}
set -eu
id=$(date -u +%Y%m%dT%H%M%SZ)
at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
redis-cli -h "$REDIS_HOST" -p "$PORT" --rdb "$WORK/dump.rdb" > "$WORK/log.txt" 2>&1 || { tail -n 3 "$WORK/log.txt" >&2; exit 1; }
check "$WORK/dump.rdb" "$WORK/check.txt"
databases "$WORK/dump.rdb" "$WORK/check.txt"
info=$(redis-cli -h "$REDIS_HOST" -p "$PORT" INFO | tr -d '\\r')
field() { printf '%s\\n' "$info" | sed -n "s/^$1://p"; }
printf '{"schemaVersion":1,"takenAt":"%s","site":"%s","keys":%s,"expired":%s,"bytes":%s,"sha256":"%s","redisVersion":"%s","rdbVersion":"%s","runId":"%s","offset":%s,"libraries":%s%s}' \\
  "$at" "$SITE" "$keys" "\${expired:-0}" "$(wc -c < "$WORK/dump.rdb" | tr -d ' ')" "$(sha256sum "$WORK/dump.rdb" | cut -d ' ' -f 1)" \\
  "$(field redis_version)" "$(head -c 9 "$WORK/dump.rdb" | tail -c 4 | sed 's/^0*//')" "$(field run_id)" "$(field master_repl_offset)" \\
  "$(field number_of_libraries | grep . || echo 0)" "\${held:+,\\"databases\\":$held}" > "$WORK/dump.json"
printf '%s' "$id" > "$WORK/id"
`

/** Second half: the dump under a key that no other dump has, then its description, whose presence means "complete". */
export const STORE = `${PLACES}
set -eu
id=$(cat "$WORK/id")
empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
# Within the quotes of a configuration curl reads a backslash and a quote as something else.
escaped() { printf '%s' "$1" | sed 's/[\\\\"]/\\\\&/g'; }
request() {
  { printf 'user = "%s:%s"\\naws-sigv4 = "aws:amz:%s:s3"\\n' "$(escaped "$ACCESS_KEY_ID")" "$(escaped "$SECRET_ACCESS_KEY")" "$REGION"
    if [ -n "\${SESSION_TOKEN:-}" ]; then printf 'header = "x-amz-security-token: %s"\\n' "$(escaped "$SESSION_TOKEN")"; fi
    if [ -n "\${AUTHORITIES:-}" ]; then printf 'cacert = "%s"\\n' "$AUTHORITIES"; fi; } \\
    | curl --config - --silent --show-error --fail-with-body --connect-timeout "\${CONNECT:=10}" --max-time 900 "$@"
}
store() {
  sum=$(sha256sum "$1" | cut -d ' ' -f 1)
  request --output "$WORK/answer" --upload-file "$1" --header "x-amz-content-sha256: $sum" --header 'If-None-Match: *' "$BUCKET_URL/$PREFIX$2" \\
    || { echo "storing $PREFIX$2: $(head -c 300 "$WORK/answer" 2>/dev/null)" >&2; exit 1; }
}
store "$WORK/dump.rdb" "$id.rdb"
store "$WORK/dump.json" "$id.json"
echo "stored $PREFIX$id.rdb"
printf '%s' "$id" > "$LAST_WORDS"
`

/**
 * After a scheduled dump: removes dumps that are older than the retention, descriptions first, so that none is left
 * without its dump. Only objects directly in the folder that have the name of a dump: a folder below it has other
 * owners.
 */
export const UPLOAD = `${STORE}
oldest=$(date -u -d "@$(($(date +%s) - RETENTION_SECONDS))" +%Y%m%d%H%M%S)
folder=$(printf '%s' "$PREFIX" | sed 's,/,%2F,g')
request --header "x-amz-content-sha256: $empty" "$BUCKET_URL?delimiter=%2F&list-type=2&max-keys=1000&prefix=$folder" > "$WORK/list.xml" || { echo 'what is too old could not be listed' >&2; exit 0; }
tr '<' '\\n' < "$WORK/list.xml" | sed -n 's,^Key>,,p' > "$WORK/keys"
for ending in json rdb; do
  while read -r key; do
    name=\${key#"$PREFIX"}
    stamp=$(printf '%s' "$name" | sed -n "s/^\\([0-9]\\{8\\}\\)T\\([0-9]\\{6\\}\\)Z[.]$ending$/\\1\\2/p")
    if [ "$key" = "$PREFIX$name" ] && [ -n "$stamp" ] && [ "$stamp" -lt "$oldest" ]; then
      request --request DELETE --header "x-amz-content-sha256: $empty" "$BUCKET_URL/$key" > /dev/null || echo "$key could not be removed" >&2
    fi
  done < "$WORK/keys"
done
`

/**
 * Before a start: fetches the requested dump, once. Does nothing without a request, or with one that is loaded already.
 * A request with `otherwise` prefers an empty start to none: a failover does not end at a cache.
 */
export const FETCH = `${PLACES}
set -eu
[ -f "$REQUEST/id" ] || exit 0
if [ -f "$DATA/.standby-restored" ] && [ "$(cat "$DATA/.standby-restored")" = "$(cat "$REQUEST/id")" ]; then exit 0; fi
rm -f "$DATA/.standby-dump.rdb" "$DATA/.standby-fallback"
[ -s "$REQUEST/url" ] || exit 0
part=$(mktemp "$DATA/.standby-part.XXXXXX")
patience="--connect-timeout \${CONNECT:=10} --retry \${RETRY:=3}"
if [ -s "$REQUEST/otherwise" ]; then patience='--connect-timeout 3 --retry 1'; fi
# The address holds a signature: it is no argument either. Its store may be another site's, with authorities of its own.
{ printf 'url = "%s"\\n' "$(cat "$REQUEST/url")"
  if [ -s "$REQUEST/authorities" ]; then printf 'cacert = "%s"\\n' "$REQUEST/authorities"; fi; } \\
  | curl --config - --silent --show-error --fail $patience --max-time 900 --output "$part" && mv "$part" "$DATA/.standby-dump.rdb" && exit 0
code=$?
rm -f "$part"
[ -s "$REQUEST/otherwise" ] || exit "$code"
echo "the dump could not be fetched (curl ended with $code)" | tee "$DATA/.standby-fallback" >&2
`

/**
 * Checks the fetched dump and makes it ready as the base of a new append-only set: beside append-only persistence a
 * dump.rdb is ignored silently (redis 7.0 and newer). The data of Redis stay unchanged until SERVE puts the
 * new set in place.
 */
export const LOAD = `${PLACES}${CHECK}
set -eu
cd "$DATA"
[ -f "$REQUEST/id" ] || exit 0
id=$(cat "$REQUEST/id")
if [ -f .standby-restored ] && [ "$(cat .standby-restored)" = "$id" ]; then exit 0; fi
usable() {
  found=$(sha256sum .standby-dump.rdb | cut -d ' ' -f 1)
  [ "$found" = "$(cat "$REQUEST/sha256")" ] || { echo "the dump has the checksum $found, not $(cat "$REQUEST/sha256")" >&2; return 1; }
  check .standby-dump.rdb .standby-check.txt
}
rm -rf .standby-ready .standby-new
if [ -s "$REQUEST/url" ] && [ ! -s .standby-fallback ]; then
  if usable 2> .standby-why; then
    mkdir .standby-new
    mv .standby-dump.rdb .standby-new/appendonly.aof.1.base.rdb
    printf 'file appendonly.aof.1.base.rdb seq 1 type b\\n' > .standby-new/appendonly.aof.manifest
  else
    cat .standby-why >&2
    [ -s "$REQUEST/otherwise" ] || exit 1
    mv .standby-why .standby-fallback
  fi
  rm -f .standby-check.txt .standby-why
fi
# An empty set is a set too.
mkdir -p .standby-new
rm -f .standby-part.*
printf '%s' "$id" > .standby-ready.new
sync
mv .standby-ready.new .standby-ready
`

/** Beside the server: it has curl, the object store's keys and waits for commands. */
export const IDLE = `
trap 'exit 0' TERM INT
while :; do sleep 3600 & wait "$!"; done
`

/** The report of a running server, as lines `name:value`. */
export const FACTS = `${PLACES}
redis-cli -p "$PORT" info
echo "maxmemory-policy:$(redis-cli -p "$PORT" config get maxmemory-policy | tail -1)"
echo "restored:$(cat "$DATA/.standby-restored" 2>/dev/null)"
echo "fallback:$(cat "$DATA/.standby-fallback" 2>/dev/null | tr '\\n' ' ')"
`
