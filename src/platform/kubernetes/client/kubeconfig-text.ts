import { parse } from 'yaml'
import { inputError, type StandbyError } from '../../../errors/standby-error.ts'
import { isObject, type Json, type JsonObject } from '../../../values/json.ts'

/** What of a kubeconfig our own code reads; the rest is the library's. */
export interface KubeconfigUser {
  readonly exec: JsonObject | null
  /** Read anew for each request: kubelets and logins renew it. */
  readonly tokenFile: string | null
}

export const badKubeconfig = (site: string, why: string, next?: string): StandbyError =>
  inputError('kubeconfig-invalid', `the kubeconfig of ${site} cannot be used: ${why}`, {
    where: `sites.${site}.kubernetes.kubeconfig`,
    next: next ?? 'Hand over a kubeconfig as kubectl uses it: its content, or the path of the file.',
    unseen: 'kubeconfig-unusable',
  })

/**
 * The text as a kubeconfig. Throws `kubeconfig-invalid` in words of our own: a parser quotes what it reads, and this
 * file holds secrets.
 */
export function readKubeconfig(text: string, site: string): JsonObject {
  if (text.trim() === '') throw badKubeconfig(site, 'it is empty')
  if (isBase64Of(text)) throw badKubeconfig(site, 'it is encoded in base64', 'Decode it first: base64 -d.')
  const config = parsed(text, site)
  if (Array.isArray(config)) throw badKubeconfig(site, 'it is a list, and must be a mapping')
  if (!isObject(config)) throw badKubeconfig(site, 'it is no mapping with clusters, users and contexts')
  for (const key of ['clusters', 'users', 'contexts']) {
    const list = config[key]
    if (list === undefined || list === null) throw badKubeconfig(site, `it has no ${key}`)
    if (!Array.isArray(list) || !list.every(isObject))
      throw badKubeconfig(site, `its ${key} must be a list of mappings`)
  }
  return config
}

/** The user of a name. Throws for logins that Kubernetes itself has given up, with what has taken their place. */
export function userIn(config: JsonObject, name: string, site: string): KubeconfigUser {
  const entry = (config.users as readonly JsonObject[]).find((user) => user.name === name)
  const user = isObject(entry?.user) ? entry.user : {}
  const provider = isObject(user['auth-provider']) ? user['auth-provider'] : null
  const kind = provider === null ? '' : String(provider.name)
  const successor = SUCCESSORS[kind]
  if (successor !== undefined)
    throw badKubeconfig(
      site,
      `its user logs in by the auth-provider ${kind}, which Kubernetes 1.26 has removed`,
      successor,
    )
  const settings = isObject(provider?.config) ? provider.config : {}
  const tokenFile = user.tokenFile ?? settings.tokenFile
  const exec = user.exec ?? settings.exec
  return { exec: isObject(exec) ? exec : null, tokenFile: typeof tokenFile === 'string' ? tokenFile : null }
}

const SUCCESSORS: Readonly<Record<string, string>> = {
  gcp: 'Install gke-gcloud-auth-plugin, and make the kubeconfig anew: gcloud container clusters get-credentials.',
  azure: 'Convert it: kubelogin convert-kubeconfig.',
}

function parsed(text: string, site: string): Json {
  try {
    return parse(text, { logLevel: 'error' }) as Json
  } catch (error) {
    const [at] =
      (error as { readonly linePos?: readonly { readonly line: number; readonly col: number }[] }).linePos ?? []
    throw badKubeconfig(site, `it is no YAML${at === undefined ? '' : ` (line ${at.line}, column ${at.col})`}`)
  }
}

function isBase64Of(text: string): boolean {
  const joined = text.replaceAll(/\s/g, '')
  if (joined.length < 40 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(joined)) return false
  return /^\s*(apiVersion|kind|clusters|users|contexts|current-context|\{)/m.test(
    Buffer.from(joined, 'base64').toString('utf8'),
  )
}
