import type { SpecProblem } from '../../domain/declaration.ts'
import type { Stack } from '../../domain/stack.ts'
import type { ConsulWitnessSpec } from '../../witness/consul/spec.ts'

/** A datacenter that is declared to be that of a site, and where in the component. */
export interface SiteDatacenter {
  readonly site: string
  readonly datacenter: string
  readonly path: readonly string[]
}

/**
 * Refuses a witness in the datacenter of a declared site that does not say so (`witness.site`), and one that names
 * another site than the datacenter belongs to: what is decided about a loss rests on it. Pure.
 */
export function witnessDatacenterProblems(
  { witness: { driver, spec, site: said } }: Pick<Stack, 'witness'>,
  datacenters: readonly SiteDatacenter[],
): SpecProblem[] {
  if (driver !== 'consul') return []
  const { datacenter: ofWitness } = spec as unknown as ConsulWitnessSpec
  return datacenters
    .filter(({ site, datacenter }) => datacenter === ofWitness && site !== said)
    .map(({ site, path }) => ({
      path,
      what: `${ofWitness} is the datacenter of the witness too: declare witness.site: ${site}, or keep the witness elsewhere`,
    }))
}
