import type { Finding } from '../domain/plan.ts'
import type { Component, SiteName } from '../domain/stack.ts'
import type { AnyReasonCode } from '../errors/reason-codes.ts'

/** A finding of one component at one site. */
export type Say = (code: AnyReasonCode, severity: Finding['severity'], what: string, next?: string) => Finding

export const sayAt =
  ({ name }: Pick<Component, 'name'>, site: SiteName): Say =>
  (code, severity, what, next) => ({
    code,
    severity,
    component: name,
    site,
    what,
    ...(next === undefined ? {} : { next }),
  })
