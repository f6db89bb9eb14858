import { readFileSync, statSync } from 'node:fs'
import { parse } from 'yaml'

/**
 * Content as it is, or the content of the file that it is the path of: kubeconfigs and keys are handed over both ways.
 */
function contentOrPath(value: string): string {
  if (value.includes('\n')) return value
  try {
    return statSync(value).isFile() ? readFileSync(value, 'utf8') : value
  } catch {
    return value
  }
}

/** Hands each secret part of a value to a mask, line by line, as GitHub masks. */
export function maskSecret(value: string, mask: (secret: string) => void): void {
  for (const line of secretLines(contentOrPath(value))) mask(line)
}

/** Short lines would blank out half of the log. */
const SHORTEST = 6

/**
 * The lines that must not be seen. A kubeconfig is mostly no secret: were "clusters:" or "kind: Config" masked, every
 * log line and every output that holds these words would vanish. A value that cannot be read as one is masked whole.
 */
function secretLines(value: string): string[] {
  const secrets = secretsOfKubeconfig(value) ?? [value]
  return secrets
    .flatMap((secret) => secret.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line.length >= SHORTEST)
}

function secretsOfKubeconfig(text: string): string[] | null {
  if (!/\busers["']?\s*:/.test(text)) return null
  try {
    const config = parse(text) as { readonly kind?: unknown; readonly users?: unknown } | null
    return config?.kind === 'Config' ? [...textsIn(config.users, ''), ...passwordsInUrls(text)] : null
  } catch {
    return null
  }
}

const passwordsInUrls = (text: string): string[] =>
  [...text.matchAll(/:\/\/[^/\s:@]*:([^@\s/]+)@/g)].map((match) => match[1] ?? '')

/** Names of users, commands and files are no secrets; every other text of a user is. */
const NO_SECRET = new Set([
  'name',
  'apiVersion',
  'command',
  'args',
  'installHint',
  'interactiveMode',
  'client-certificate',
  'client-key',
  'tokenFile',
])

function textsIn(value: unknown, key: string): string[] {
  if (typeof value === 'string') return NO_SECRET.has(key) ? [] : [value]
  if (Array.isArray(value)) return value.flatMap((item) => textsIn(item, key))
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, item]) => textsIn(item, name))
    : []
}
