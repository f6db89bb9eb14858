import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Identity } from '../../domain/identities.ts'
import { type Stack, siteOf } from '../../domain/stack.ts'
import { inputError, type StandbyError, siteError } from '../../errors/standby-error.ts'
import { maskSecret } from '../../runtime/mask-secret.ts'
import type { Milliseconds } from '../../values/duration.ts'
import { isObject, type JsonObject } from '../../values/json.ts'
import { openKubernetes } from './client/open.ts'
import { declaredCluster } from './declared-cluster.ts'
import { identityAccount } from './identity-accounts.ts'

export interface KubeconfigRequest {
  readonly stack: Stack
  readonly site: string
  readonly identity: Identity
  readonly lifetime: Milliseconds
  /** Of a person who may create tokens in the namespace of the identities. */
  readonly administrator: { readonly kubeconfig: string | null; readonly context: string | null }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly mask: (secret: string) => void
}

export interface MintedKubeconfig {
  readonly text: string
  /** `standby-infisical/standby-mover`. */
  readonly account: string
  /** ISO 8601, as the API server says: it may give less than was asked for. */
  readonly expiresAt: string
}

/**
 * The kubeconfig of an identity that `standby rbac` prints: the administrator's way to the cluster, and a token of the
 * identity's own account (TokenRequest). Refuses another cluster than the declared one, and an account that does not
 * exist yet.
 */
export async function mintKubeconfig(request: KubeconfigRequest): Promise<MintedKubeconfig> {
  const { stack, identity, lifetime } = request
  const site = declared(stack, request.site)
  const declaredId = declaredCluster(siteOf(stack, site))?.clusterId
  if (declaredId === undefined)
    throw inputError('platform-missing', `${site} declares no Kubernetes cluster`, {
      where: `sites.${site}`,
      next: 'Name a site that declares one; on hosts an identity logs in with its own key.',
    })
  const administrator = await readAdministrator(request)
  maskSecret(administrator.text, request.mask)
  const cluster = await clusterOf(administrator)
  const client = openKubernetes({
    site,
    kubeconfig: administrator.path,
    ...(administrator.context === null ? {} : { context: administrator.context }),
    signal: new AbortController().signal,
  })
  const found = await client.clusterId()
  if (found !== declaredId)
    throw inputError(
      'wrong-cluster',
      `${administrator.path} leads to the cluster ${found}, and ${site} is ${declaredId}`,
      {
        where: administrator.path,
        next: `Name the kubeconfig of ${site}'s administrator with --kubeconfig, or its context with --context.`,
      },
    )
  const { namespace, name } = identityAccount(stack.name, identity)
  const account = `${namespace}/${name}`
  const reference = { apiVersion: 'v1', kind: 'ServiceAccount', plural: 'serviceaccounts', namespace, name }
  if ((await client.get(reference)) === null)
    throw siteError('identity-missing', `${site} has no account ${account}`, {
      where: `${site} ${namespace}/ServiceAccount/${name}`,
      next: `Make the identities first: standby rbac --site ${site} | kubectl apply -f -`,
    })
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: Math.round(lifetime / 1000) },
  }
  const { token, expiresAt } = tokenIn(await client.request('POST', path, body), site)
  const context = `${stack.name}-${identity}-${site}`
  return {
    account,
    expiresAt,
    text: stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: site, cluster }],
      users: [{ name: account, user: { token } }],
      contexts: [{ name: context, context: { cluster: site, user: account, namespace } }],
      'current-context': context,
    }),
  }
}

function declared(stack: Stack, name: string): Stack['sites'][number]['name'] {
  const site = stack.sites.find((one) => one.name === name)
  if (site !== undefined) return site.name
  throw inputError('unknown-site', `${stack.name} has no site ${name}`, {
    next: `Name one of ${stack.sites.map((one) => one.name).join(', ')}.`,
  })
}

interface Administrator {
  readonly path: string
  readonly text: string
  readonly context: string | null
}

async function readAdministrator({
  administrator: { kubeconfig, context },
  env,
}: KubeconfigRequest): Promise<Administrator> {
  // kubectl merges several files of $KUBECONFIG; here the first one counts.
  const path = resolve(kubeconfig ?? env.KUBECONFIG?.split(':')[0] ?? join(env.HOME ?? homedir(), '.kube', 'config'))
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw inputError(
      'kubeconfig-invalid',
      `the administrator's kubeconfig ${path} cannot be read (${error.code ?? error.message})`,
      {
        next: 'Name it with --kubeconfig.',
      },
    )
  })
  return { path, text, context }
}

/** How the cluster is reached, with the certificates themselves: the file is carried elsewhere. */
async function clusterOf({ path, text, context }: Administrator): Promise<JsonObject> {
  const config = objectIn(text, path)
  const chosen = context ?? config['current-context']
  const named = (list: unknown, name: unknown): JsonObject | null => {
    const all: readonly unknown[] = Array.isArray(list) ? list : []
    return all.filter(isObject).find((one) => one.name === name) ?? null
  }
  const found = named(config.contexts, chosen)?.context
  const cluster = isObject(found) ? named(config.clusters, found.cluster)?.cluster : null
  if (!isObject(cluster) || typeof cluster.server !== 'string')
    throw invalid(path, `it has no context ${String(chosen)} with a cluster`)
  const { 'certificate-authority': file, ...rest } = cluster
  if (rest['insecure-skip-tls-verify'] === true)
    throw invalid(path, 'it does not check the certificate of the API server (insecure-skip-tls-verify)')
  if (typeof file !== 'string') return rest
  const authority = resolve(dirname(path), file)
  const certificates = await readFile(authority).catch((error: NodeJS.ErrnoException) => {
    throw invalid(path, `its certificate authority ${authority} cannot be read (${error.code ?? error.message})`)
  })
  return { ...rest, 'certificate-authority-data': certificates.toString('base64') }
}

function objectIn(text: string, path: string): JsonObject {
  try {
    const value: unknown = parse(text)
    if (isObject(value)) return value
  } catch {
    // The parser's own message would quote the file.
  }
  throw invalid(path, 'it is no YAML mapping')
}

const invalid = (path: string, why: string): StandbyError =>
  inputError('kubeconfig-invalid', `the administrator's kubeconfig ${path} cannot be used: ${why}`, { where: path })

/** The answer of a TokenRequest. */
function tokenIn(answer: unknown, site: string): { readonly token: string; readonly expiresAt: string } {
  const status = isObject(answer) ? answer.status : undefined
  if (isObject(status) && typeof status.token === 'string' && typeof status.expirationTimestamp === 'string')
    return { token: status.token, expiresAt: status.expirationTimestamp }
  throw siteError('kubernetes-invalid', 'the answer to a TokenRequest holds no token', { where: site })
}
