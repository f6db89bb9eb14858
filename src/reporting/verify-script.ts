/**
 * The script that an export contains in addition to the records: it verifies with a shell and sha256sum, for a reader
 * who does not want to trust this tool. Explained in `docs/evidence.md`. Gives the same verdict as `judgeChain`.
 */
export const VERIFY_SCRIPT = `#!/bin/sh
# Verifies the evidence records in this folder with sha256sum alone.
#   sh verify.sh [HEAD...]
# HEAD: hashes that you kept from earlier verifications, or from the summaries of runs. Without one, a past that was
# rewritten from some record to the very end looks like a true one.
LC_ALL=C
export LC_ALL
case $0 in */*) cd -- "\${0%/*}" || exit 2 ;; esac

broken() {
  echo "BROKEN $1: $2" >&2
  exit 1
}

# Without it both sides of the comparison below would be empty, and so the same.
command -v sha256sum > /dev/null || {
  echo 'CANNOT VERIFY: there is no sha256sum here. Nothing was looked at: install coreutils, or take the folder elsewhere.' >&2
  exit 2
}

# Each link must be, byte for byte, what sha256sum prints of its record and of the link before it.
number=0
previous=
head=
heads=' '
while :; do
  name=$(printf '%08d' $((number + 1)))
  [ -e "$name.json" ] || [ -e "$name.sha256" ] || break
  [ -e "$name.json" ] || broken "$name.json" 'it is missing, and its link is there'
  [ -e "$name.sha256" ] || broken "$name.sha256" 'it is missing, and its record is there'
  wanted=$(sha256sum "$name.json" \${previous:+"$previous.sha256"} | sha256sum)
  found=$(sha256sum < "$name.sha256")
  [ -n "$wanted" ] || broken "$name.sha256" 'sha256sum says nothing of it'
  [ "$wanted" = "$found" ] || broken "$name.sha256" 'it is not the hash of its record and of the link before it'
  number=$((number + 1))
  previous=$name
  head=\${found%% *}
  heads="$heads$head "
done

# Nothing may lie behind a gap.
files=0
for file in *.json *.sha256; do
  [ ! -e "$file" ] || files=$((files + 1))
done
[ "$files" -eq $((2 * number)) ] || broken "$name" "the chain ends with record $number, and $((files - 2 * number)) files come after a gap"

for kept in "$@"; do
  case $heads in
    *" $kept "*) ;;
    *) broken "\${previous:-00000000}.sha256" "no link has the hash $kept: what it stood for was rewritten or removed" ;;
  esac
done

echo "OK $number records, head \${head:-none}"
`
