import type { SpecProblem } from '../../domain/declaration.ts'
import type { Site } from '../../domain/stack.ts'
import { declaredHosts } from './declared-hosts.ts'

/**
 * A warning for a site on whose hosts no `what` (`dump`) can be restored; `path`: where a component declares it. Pure.
 */
export const sandboxProblem = (site: Site, path: readonly string[], what: string): SpecProblem[] =>
  declaredHosts(site)?.sandbox !== undefined
    ? []
    : [
        {
          path,
          what: `no ${what} can be restored on ${site.name}: it declares no sandbox on its hosts (sites.${site.name}.hosts.sandbox)`,
          severity: 'warning',
        },
      ]
