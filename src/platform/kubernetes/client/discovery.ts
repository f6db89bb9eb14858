import type { CallOptions } from '../../../clients/kubernetes-client.ts'
import { siteError } from '../../../errors/standby-error.ts'

type Get = (path: string, options?: CallOptions) => Promise<unknown>

/**
 * Finds the plural of a kind, which only the API server knows; asked once per group and version, and again for a kind
 * that came later.
 */
export function kindsServedBy(
  site: string,
  get: Get,
): (apiVersion: string, kind: string, options?: CallOptions) => Promise<string> {
  const known = new Map<string, ReadonlyMap<string, string>>()
  return async (apiVersion, kind, options) => {
    const plural = known.get(apiVersion)?.get(kind)
    if (plural !== undefined) return plural
    const served = await servedKinds(apiVersion, get, options)
    known.set(apiVersion, served)
    const found = served.get(kind)
    if (found !== undefined) return found
    throw siteError('kubernetes-not-found', `${site} does not serve ${apiVersion} ${kind}`, {
      where: `${site} ${apiVersion}`,
      next: 'Install the operator or the custom resource definition that brings this kind.',
    })
  }
}

async function servedKinds(apiVersion: string, get: Get, options?: CallOptions): Promise<ReadonlyMap<string, string>> {
  try {
    const answer = (await get(apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`, options)) as {
      readonly resources: readonly { readonly name: string; readonly kind: string }[]
    }
    // `pods/log` and its like are no objects of their own.
    return new Map(
      answer.resources
        .filter((resource) => !resource.name.includes('/'))
        .map((resource) => [resource.kind, resource.name]),
    )
  } catch (error) {
    if ((error as { readonly code?: string }).code === 'kubernetes-not-found') return new Map()
    throw error
  }
}
