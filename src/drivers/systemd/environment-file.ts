/**
 * The variables of an environment file, as systemd reads it (systemd.exec(5), `EnvironmentFile=`), but for values of
 * several lines: later lines win, comments begin with `#` or `;`, and quotes around a value are not part of it. Pure.
 */
export function variablesIn(content: string): Record<string, string> {
  const entries = content.split('\n').flatMap((line): [string, string][] => {
    const [, name, value = ''] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? []
    return name === undefined ? [] : [[name, unquoted(value.trim())]]
  })
  return Object.fromEntries(entries)
}

function unquoted(value: string): string {
  const first = value[0]
  const isQuoted = value.length >= 2 && (first === '"' || first === "'") && value.endsWith(first)
  return isQuoted ? value.slice(1, -1) : value
}
