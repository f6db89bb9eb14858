import type { SiteName } from '../../../domain/stack.ts'
import type { DeployUnit } from '../../../driver/deployment.ts'
import { type DeclaredObject, objectsUnit } from '../../../platform/kubernetes/declared-objects.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { minutes } from '../../../values/duration.ts'
import { SECRET } from '../objects.ts'
import { clusterOf, follows, otherSites } from '../spec.ts'
import { copiedSecrets, copiedStreamingSecrets, streamingSecrets } from './manifests.ts'
import { mustBeCloned, type Place, unitId } from './place.ts'

/** The other sites' client certificates, copied here and kept fresh: the owning operator renews them. */
export function streamingUnit(
  place: Place,
  from: readonly SiteName[] = otherSites(place.context.stack, place.site),
): DeployUnit {
  const { component, site, context, deployment } = place
  // On the very first deploy the other cluster must exist before its certificate can be copied. Two that are cloned
  // wait for the active one alone.
  const awaited = mustBeCloned(place) ? from.filter((other) => deployment.roleOf(other) === 'active') : from
  return objectsUnit({
    id: unitId(place, 'streaming'),
    site,
    needs: awaited
      .filter((other) => deployment.observed[other]?.kind !== 'answering')
      .map((other) => unitId(place, 'cluster', other)),
    title: `The identity with which ${clusterOf(component, site)} streams from the other sites`,
    deadline: minutes(2),
    kubernetes: context.platform(KUBERNETES, site),
    declare: (signal) => streamingCopies(place, from, signal),
    async ready(signal) {
      const missing = await streamableFrom(place, signal).then((there) =>
        awaited.filter((other) => !there.includes(other)),
      )
      return missing.length === 0
        ? { is: 'done', proof: {} }
        : {
            is: 'pending',
            waitingFor: `the certificates of ${missing.map((other) => clusterOf(component, other)).join(', ')}`,
          }
    },
  })
}

/** Those certificates, of the clusters that are there. */
export async function streamingCopies(
  place: Place,
  from: readonly SiteName[],
  signal: AbortSignal,
): Promise<DeclaredObject[]> {
  const { component, context } = place
  const copies = await Promise.all(
    from.map(async (other) => {
      const cluster = clusterOf(component, other)
      const names = streamingSecrets(cluster)
      const read = (name: string) =>
        context.platform(KUBERNETES, other).get({ ...SECRET, namespace: component.spec.namespace, name }, { signal })
      const [certificate, authority] = await Promise.all([read(names.certificate), read(names.authority)])
      return certificate === null || authority === null
        ? []
        : copiedStreamingSecrets(component, context.stack, cluster, { certificate, authority })
    }),
  )
  return copies.flat()
}

/** The other sites whose certificates are here, where streaming is declared. */
export async function streamableFrom(place: Place, signal: AbortSignal): Promise<SiteName[]> {
  const { component, context, site } = place
  if (follows(component) !== 'archive-and-streaming') return []
  const isHere = async (name: string): Promise<boolean> =>
    (await context
      .platform(KUBERNETES, site)
      .get({ ...SECRET, namespace: component.spec.namespace, name }, { signal })) !== null
  const found = await Promise.all(
    otherSites(context.stack, site).map(async (other) => {
      const copies = await Promise.all(Object.values(copiedSecrets(clusterOf(component, other))).map(isHere))
      return copies.every(Boolean) ? [other] : []
    }),
  )
  return found.flat()
}
