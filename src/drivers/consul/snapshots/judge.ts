import { objectsIn, textIn } from '../../../clients/consul/fields.ts'
import type { Check } from '../../../domain/restore-test.ts'
import { datacenterOf, type Federation } from '../spec.ts'
import type { CataloguedSnapshot } from './catalogue.ts'
import { type Counts, inWords } from './count.ts'
import { SCRATCH_NODE } from './scratch-consul.ts'

/**
 * Whether it is a snapshot of the declared datacenter: its description says so, and no node in it belongs to another
 * one. `nodes`: the answer of `catalog/nodes` of the copy. Pure.
 */
export function datacenterFound(
  component: Federation,
  { datacenter, site }: CataloguedSnapshot,
  nodes: unknown,
): { readonly good: boolean; readonly expected: string; readonly found: string } {
  const declared = Object.hasOwn(component.spec.sites, site) ? datacenterOf(component, site) : null
  const others = objectsIn(nodes)
    .filter(({ Node, Datacenter }) => textIn(Node) !== SCRATCH_NODE && textIn(Datacenter) !== datacenter)
    .map(({ Node, Datacenter }) => `${textIn(Node)} of ${textIn(Datacenter) || 'no datacenter'}`)
  return {
    good: declared === datacenter && others.length === 0,
    expected: `the datacenter ${declared ?? '(none is declared)'} of ${site}`,
    found: others.length === 0 ? datacenter : `${datacenter}, with ${others.slice(0, 3).join(', ')}`,
  }
}

/**
 * Whether the copy has what was counted when the snapshot was taken. A copy ends the sessions of nodes that it lacks,
 * and the keys that such a session deletes go with it. Pure.
 */
export function countsFound({ least, most }: Pick<CataloguedSnapshot, 'least' | 'most'>, found: Counts) {
  const isWithin = (what: 'keys' | 'queries' | 'entries', atLeast: number): boolean =>
    found[what] >= atLeast && found[what] <= most[what]
  const held = most.heldKeys === 0 ? '' : `; ${most.heldKeys} of the keys are held by a session, and may end with it`
  const same = inWords(least) === inWords(most)
  return {
    good:
      isWithin('keys', least.keys - most.heldKeys) &&
      isWithin('queries', least.queries) &&
      isWithin('entries', least.entries),
    expected: `${same ? inWords(most) : `between ${inWords(least)} and ${inWords(most)}`}${held}`,
    found: inWords(found),
  }
}

/** A check in the words of the restore test. Pure. */
export const checkOf =
  ({ name }: Pick<Federation, 'name'>) =>
  (
    id: string,
    { good, expected, found }: { readonly good: boolean; readonly expected: string; readonly found: string },
    otherwise: 'fail' | 'objective-missed' = 'fail',
  ): Check => ({ id, component: name, outcome: good ? 'pass' : otherwise, expected, found })

/** Whether the versions are the same in their first two numbers: a snapshot is restored by its own version. Pure. */
export const isSameVersion = (one: string, other: string): boolean => {
  const [[major, minor], [otherMajor, otherMinor]] = [one, other].map((version) => version.split('.')) as [
    string[],
    string[],
  ]
  return major === otherMajor && minor === otherMinor
}
