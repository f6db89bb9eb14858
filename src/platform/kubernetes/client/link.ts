import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Agent } from 'node:http'
import type { RequestOptions } from 'node:https'
import { dirname, isAbsolute, join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node/dist/config.js'
import { isObject, type JsonObject } from '../../../values/json.ts'
import { unreachable } from './errors.ts'
import { type Credentials, keptAliveAgent, type Link } from './http.ts'
import { badKubeconfig, type KubeconfigUser, readKubeconfig, userIn } from './kubeconfig-text.ts'
import { type Login, loginBy } from './login.ts'

export interface KubernetesAccess {
  readonly site: string
  /** Content of a kubeconfig, or the path of one. */
  readonly kubeconfig: string
  /** Without it, the kubeconfig's own current context. */
  readonly context?: string | undefined
  /** What a credential program of the kubeconfig may log in with, beside the cloud variables of our own environment. */
  readonly login?: Readonly<Record<string, string | undefined>> | undefined
  /** Hears tokens that must never be seen. */
  readonly mask?: ((secret: string) => void) | undefined
  /** Ends all calls. */
  readonly signal: AbortSignal
}

/** How one cluster is reached, by what its kubeconfig says. */
export interface SiteLink extends Link {
  /** Logs in, where a credential program does that; at once where nothing is to be done. Throws `login-failed`. */
  signIn(): Promise<void>
  /**
   * A kubeconfig that needs nothing beside itself: certificates and the token of this moment are in it, and no program
   * is started.
   */
  kubeconfig(): Promise<string>
}

const MAX_SOCKETS = 8

/**
 * One KubeConfig per cluster: its caches of tokens and agents go by the names in the file, which repeat between files.
 * Throws `kubeconfig-invalid`.
 */
export function linkOf(access: KubernetesAccess): SiteLink {
  const { site } = access
  const { text, directory } = contentOf(access)
  const raw = readKubeconfig(text, site)
  const config = loaded(text, directory, site)
  const names = config.contexts.map((context) => context.name)
  const wanted = access.context ?? config.currentContext
  if (wanted === undefined || wanted === '')
    throw badKubeconfig(site, `it has no current context; name one of ${names.join(', ')}`)
  if (!names.includes(wanted))
    throw badKubeconfig(site, `it has no context ${wanted}; there are ${names.join(', ') || 'none'}`)
  config.setCurrentContext(wanted)
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw badKubeconfig(site, `the cluster of context ${wanted} is not in it`)
  const user = config.getCurrentUser()
  if (user === null) throw badKubeconfig(site, `the user of context ${wanted} is not in it`)
  if (!URL.canParse(cluster.server)) throw badKubeconfig(site, 'the server of its cluster is no address')
  const server = new URL(cluster.server)
  if (!/^https?:$/.test(server.protocol)) throw badKubeconfig(site, 'the server of its cluster is no https address')
  if (server.protocol === 'http:' && !cluster.skipTLSVerify)
    throw badKubeconfig(site, `${cluster.server} is not encrypted; only insecure-skip-tls-verify allows that`)

  const own = userIn(raw, user.name, site)
  // Its program is started by us, with a deadline and an environment of its own; the token is read anew for each
  // request.
  if (own.exec !== null || own.tokenFile !== null)
    Object.assign(user, { exec: undefined, authProvider: undefined, token: undefined })
  const login = loginOf(access, own, rawCluster(raw, cluster.name), directory)
  const common = { config, site, own, login, directory }
  const proxied = cluster.proxyUrl !== undefined && cluster.proxyUrl !== null
  return {
    server,
    agent: keptAliveAgent(server, MAX_SOCKETS),
    spare: keptAliveAgent(server, MAX_SOCKETS),
    contact: { roundTrip: null, heardAt: null },
    credentials: () => credentialsOf(common, proxied),
    // Between us and a proxy nothing is known of the site, except what came through with a certificate.
    unreachable: (why, unseen, cause) =>
      proxied && BEFORE_THE_SITE.has(unseen)
        ? unreachable(
            site,
            `the proxy of ${site} or what is after it fails: ${why}`,
            cluster.server,
            'proxy-failed',
            cause,
          )
        : unreachable(site, `${site} does not answer: ${why}`, cluster.server, unseen, cause),
    async signIn() {
      if (login !== null) await login.credential()
    },
    kubeconfig: async () => selfContained(await optionsOf(common), rawCluster(raw, cluster.name), config, wanted),
  }
}

const BEFORE_THE_SITE: ReadonlySet<string> = new Set([
  'no-answer',
  'refused',
  'no-such-host',
  'cut',
  'name-unresolved',
  'no-network',
])

const isContent = (kubeconfig: string): boolean => /\n|:\s|^\s*\{/.test(kubeconfig)

/**
 * A value that is not clearly a path may be a kubeconfig in a wrong form, such as base64: its errors go into logs and
 * evidence.
 */
const unlessContent = (value: string): string =>
  /^(\/|\.\.?\/|~)/.test(value) && value.length < 200 ? value : 'what was given'

function contentOf({ kubeconfig, site }: KubernetesAccess): {
  readonly text: string
  readonly directory: string | null
} {
  if (kubeconfig.length > LARGEST) throw badKubeconfig(site, 'it is larger than 1 MiB')
  if (isContent(kubeconfig)) return { text: kubeconfig, directory: null }
  try {
    return { text: readFileSync(kubeconfig, 'utf8'), directory: dirname(kubeconfig) }
  } catch (error) {
    // What is no file may be the text itself in one piece.
    readKubeconfigOrNothing(kubeconfig, site)
    throw badKubeconfig(
      site,
      `${unlessContent(kubeconfig)} is no file that can be read (${(error as NodeJS.ErrnoException).code})`,
    )
  }
}
const LARGEST = 1024 * 1024

/** Tells base64 apart from a path that does not exist. */
function readKubeconfigOrNothing(text: string, site: string): void {
  if (!/^(\/|\.|~)/.test(text) && text.length > 200) readKubeconfig(text, site)
}

function loaded(text: string, directory: string | null, site: string): KubeConfig {
  const config = new KubeConfig()
  try {
    config.loadFromString(text)
    if (directory !== null) config.makePathsAbsolute(directory)
    return config
  } catch {
    throw badKubeconfig(site, 'an entry of its clusters, users or contexts lacks its name or its server')
  }
}

function rawCluster(config: JsonObject, name: string): JsonObject {
  const entry = (config.clusters as readonly JsonObject[]).find((cluster) => cluster.name === name)
  return isObject(entry?.cluster) ? entry.cluster : {}
}

function loginOf(
  access: KubernetesAccess,
  { exec }: KubeconfigUser,
  cluster: JsonObject,
  directory: string | null,
): Login | null {
  if (exec === null) return null
  return loginBy({
    site: access.site,
    exec,
    cluster,
    directory,
    environment: access.login ?? {},
    mask: access.mask ?? (() => undefined),
  })
}

interface Asking {
  readonly config: KubeConfig
  readonly site: string
  readonly own: KubeconfigUser
  readonly login: Login | null
  readonly directory: string | null
}

async function credentialsOf(asking: Asking, proxied: boolean): Promise<Credentials> {
  const { options, refused } = await optionsOf(asking)
  const { ca, cert, key, rejectUnauthorized, servername, auth } = options
  const headers = { ...(options.headers as Record<string, string> | undefined) }
  if (typeof auth === 'string') headers.Authorization = `Basic ${Buffer.from(auth).toString('base64')}`
  const tls = Object.fromEntries(
    Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(([, value]) => value !== undefined),
  ) as Credentials['tls']
  return {
    tls,
    headers,
    ...(refused === null ? {} : { refused }),
    ...(proxied ? { proxy: options.agent as Agent } : {}),
  }
}

interface Options {
  readonly options: RequestOptions
  readonly refused: (() => boolean) | null
}

async function optionsOf({ config, site, own, login, directory }: Asking): Promise<Options> {
  const options: RequestOptions = {}
  const credential = login === null ? null : await login.credential()
  if (credential?.certificate != null) Object.assign(options, credential.certificate)
  try {
    await config.applyToHTTPSOptions(options)
    const token = credential?.token ?? (own.tokenFile === null ? null : await tokenIn(own.tokenFile, directory))
    if (token !== null)
      options.headers = { ...(options.headers as Record<string, string>), Authorization: `Bearer ${token}` }
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException
    const why =
      path === undefined
        ? 'its certificates or its login cannot be read'
        : `${path}, which it names, cannot be read (${code})`
    throw badKubeconfig(
      site,
      why,
      'Correct the kubeconfig; in a workflow, put certificates into it: kubectl config view --flatten --minify.',
    )
  }
  return { options, refused: login === null || credential === null ? null : () => login.refused(credential) }
}

const tokenIn = async (file: string, directory: string | null): Promise<string> =>
  (await readFile(isAbsolute(file) || directory === null ? file : join(directory, file), 'utf8')).trim()

/** The context keeps its name, so that a program that is given it finds it. */
function selfContained({ options }: Options, raw: JsonObject, config: KubeConfig, context: string): string {
  const encoded = (value: unknown): string | undefined =>
    value === undefined ? undefined : Buffer.from(value as string | Buffer).toString('base64')
  const { Authorization, 'Impersonate-User': as } = (options.headers ?? {}) as Record<string, string | undefined>
  const cluster = {
    server: raw.server,
    'certificate-authority-data': encoded(options.ca),
    'insecure-skip-tls-verify': raw['insecure-skip-tls-verify'],
    'tls-server-name': raw['tls-server-name'],
    'proxy-url': raw['proxy-url'],
  }
  const [username, password] = typeof options.auth === 'string' ? options.auth.split(/:(.*)/s) : []
  const user = {
    token: Authorization?.replace(/^Bearer /, ''),
    'client-certificate-data': encoded(options.cert),
    'client-key-data': encoded(options.key),
    username,
    password,
    as,
  }
  const namespace = config.getContextObject(context)?.namespace
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': context,
    contexts: [{ name: context, context: { cluster: 'site', user: 'site', namespace } }],
    clusters: [{ name: 'site', cluster }],
    users: [{ name: 'site', user }],
  })
}
