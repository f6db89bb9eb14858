/*
 * Functions for a POSIX shell that read an RDB file: wherever the programs of Redis are, in a pod or on a host.
 */

/**
 * Reads `$1`, an RDB file, with redis-check-rdb; leaves what it counted in `$keys` and `$expired`, and its output in
 * the file `$2`. Fails when the file is not whole.
 */
export const CHECK = `
check() {
  redis-check-rdb "$1" > "$2" 2>&1 || { echo "redis-check-rdb: $(grep -a -v 'AUX FIELD' "$2" | tail -n 3 | tr '\\n' ' ')" >&2; return 1; }
  keys=$(sed -n 's/^\\[info\\] \\([0-9][0-9]*\\) keys read$/\\1/p' "$2" | tail -n 1)
  expired=$(sed -n 's/^\\[info\\] \\([0-9][0-9]*\\) already expired$/\\1/p' "$2" | tail -n 1)
  [ -n "$keys" ] || { echo 'redis-check-rdb did not say how many keys it read' >&2; return 1; }
}
`

/**
 * How many keys each logical database of an RDB file held, and how many of them expire some day, as JSON in `$held`;
 * empty where the file does not say so, or says something else than CHECK has counted. Redis writes both at the
 * beginning of each database (RESIZEDB, in its own encoding of lengths), and redis-check-rdb says where each begins.
 */
export const DATABASES = `
size() {
  case $(($1 >> 6)) in
    0) value=$1 used=1 ;;
    1) value=$((($1 & 63) << 8 | $2)) used=2 ;;
    *)
      case $1 in
        128) value=$(($2 << 24 | $3 << 16 | $4 << 8 | $5)) used=5 ;;
        129) value=$(($2 << 56 | $3 << 48 | $4 << 40 | $5 << 32 | $6 << 24 | $7 << 16 | $8 << 8 | $9)) used=9 ;;
        *) return 1 ;;
      esac ;;
  esac
}
databases() {
  file=$1 places=$2.databases held= total=0
  sed -n 's/^\\[offset \\([0-9][0-9]*\\)\\] Selecting DB ID \\([0-9][0-9]*\\)$/\\1 \\2/p' "$2" > "$places"
  while read -r place database; do
    set -- $(tail -c "+$((place + 1))" "$file" | head -c 19 | od -An -v -tu1)
    if [ "\${1:-}" != 251 ]; then held=; return 0; fi
    shift
    size "$@" || { held=; return 0; }
    count=$value
    shift "$used"
    size "$@" || { held=; return 0; }
    held="$held\${held:+,}\\"$database\\":{\\"keys\\":$count,\\"expiring\\":$value}"
    total=$((total + count))
  done < "$places"
  rm -f "$places"
  [ "$total" = "$keys" ] && held="{$held}" || held=
}
`
