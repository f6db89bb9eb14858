import type { Finding } from '../../../planning/plan.ts'
import type { SiteName } from '../../../stack/stack.ts'
import type { Database } from '../spec.ts'

/** A finding of this component at a site. */
export type Say = (code: string, severity: Finding['severity'], what: string, next?: string) => Finding

export const sayAt =
  (component: Database, site: SiteName): Say =>
  (code, severity, what, next) => ({
    code,
    severity,
    component: component.name,
    site,
    what,
    ...(next === undefined ? {} : { next }),
  })
