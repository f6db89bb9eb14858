import type { SpecProblem } from '../../domain/declaration.ts'
import type { Site } from '../../domain/stack.ts'
import { type DeclaredCluster, declaredCluster } from './declared-cluster.ts'

/** Warns of two sites on one cluster: they are lost together, and every object of the one is the other's. Pure. */
export function sharedClusters(sites: readonly Site[]): SpecProblem[] {
  const declared = sites.flatMap((site) => {
    const cluster = declaredCluster(site)
    return cluster === undefined ? [] : [{ name: site.name, cluster }]
  })
  const accessOf = ({ kubeconfig, context }: DeclaredCluster): string => JSON.stringify([kubeconfig, context ?? null])
  return declared.flatMap(({ name, cluster }, index): SpecProblem[] => {
    const before = declared.slice(0, index)
    const path = [name, 'kubernetes']
    const same = before.find((other) => other.cluster.clusterId === cluster.clusterId)
    if (same !== undefined)
      return [
        {
          path: [...path, 'clusterId'],
          what: `is the cluster of ${same.name} too: two sites on one cluster are lost together`,
          severity: 'warning',
        },
      ]
    const shared = before.find((other) => accessOf(other.cluster) === accessOf(cluster))
    return shared === undefined
      ? []
      : [
          {
            path: [...path, 'kubeconfig'],
            what: `is the kubeconfig of ${shared.name} too, with the same context: it leads to one cluster`,
            severity: 'warning',
          },
        ]
  })
}
