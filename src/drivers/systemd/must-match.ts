import { randomBytes } from 'node:crypto'
import { asStandbyError } from '../../errors/standby-error.ts'
import type { SecretHashes } from '../../systems/application/assess-secrets.ts'
import { type Asking, type Host, hostsOf } from './host.ts'
import type { Application } from './spec.ts'

/** `hashes`: `KEY in /etc/app.env` → hash, null where the key or its file is missing. */
export type SecretsSeen =
  | { readonly is: 'read'; readonly hashes: SecretHashes }
  | { readonly is: 'unread'; readonly why: string }

/**
 * Hashes of what must be equal on every host, computed on the host itself: no value leaves it. The salt belongs to this
 * process alone, so that a hash means nothing elsewhere. It reads each file as systemd does (`EnvironmentFile=`): the
 * last line of a key counts, and quotes around a value are not part of it; a value of several lines is not read.
 */
export async function secretHashes(
  component: Application,
  host: Host,
  { context, signal, deadline }: Asking,
): Promise<SecretsSeen> {
  const { mustMatch = [] } = component.spec
  if (mustMatch.length === 0) return { is: 'read', hashes: {} }
  try {
    const salt = await context.once('systemd salt', async () => randomBytes(16).toString('hex'))
    const answer = await hostsOf(host, context).run(host.name, hashing(mustMatch), {
      stdin: `${salt}\n`,
      signal,
      asRoot: true,
      ...(deadline === undefined ? {} : { deadline }),
    })
    if (answer.code !== 0)
      return { is: 'unread', why: answer.stderr.trim().split('\n').at(-1) || `exit code ${answer.code}` }
    return { is: 'read', hashes: hashesIn(answer.stdout, mustMatch) }
  } catch (error) {
    signal.throwIfAborted()
    return { is: 'unread', why: asStandbyError(error).message }
  }
}

type MustMatch = NonNullable<Application['spec']['mustMatch']>

/** Names of files and keys need no quotes: the schema sees to it. Values stay in the shell, out of any argument. */
const hashing = (mustMatch: MustMatch): string =>
  [
    'IFS= read -r salt',
    ...mustMatch.flatMap(({ file, keys }) => [
      `for key in ${keys.join(' ')}; do`,
      `  if ! grep -q "^[[:space:]]*$key=" '${file}' 2>/dev/null; then`,
      `    [ ! -e '${file}' ] || [ -r '${file}' ] || { echo '${file} cannot be read' >&2; exit 1; }`,
      `    echo '${file}' "$key" -; continue`,
      '  fi',
      `  value=$(sed -n "s/^[[:space:]]*$key=//p" '${file}' | tail -n 1 | sed 's/^[[:space:]]*//; s/[[:space:]]*$//')`,
      `  case $value in '"'*'"') value=\${value#?}; value=\${value%?} ;; "'"*"'") value=\${value#?}; value=\${value%?} ;; esac`,
      `  echo '${file}' "$key" "$(printf '%s\\n%s' "$salt" "$value" | sha256sum | cut -c 1-16)"`,
      'done',
    ]),
  ].join('\n')

function hashesIn(said: string, mustMatch: MustMatch): Record<string, string | null> {
  const found = new Map<string, string | null>(
    said.split('\n').map((line) => {
      const [file = '', key = '', hash = '-'] = line.trim().split(' ')
      return [`${key} in ${file}`, hash === '-' ? null : hash] as const
    }),
  )
  const names = mustMatch.flatMap(({ file, keys }) => keys.map((key) => `${key} in ${file}`))
  return Object.fromEntries(names.map((name) => [name, found.get(name) ?? null]))
}
