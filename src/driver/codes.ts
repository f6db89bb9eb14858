import type { Finding } from '../domain/plan.ts'
import type { Component } from '../domain/stack.ts'
import type { DeclaredCode } from '../errors/reason-codes.ts'
import { type MustAct, type Retry, StandbyError } from '../errors/standby-error.ts'

/** Code → what it means, in one sentence of docs/reason-codes.md. */
export type CodeTable = Readonly<Record<string, string>>

export interface DeclaredCodes<Table extends CodeTable> {
  readonly area: string
  readonly table: Table
  readonly code: { readonly [Code in keyof Table]: DeclaredCode }
  /**
   * An error with one of these codes. `retry` is stated, never defaulted: its author decides whether another try may
   * help.
   */
  error(
    code: keyof Table,
    what: string,
    more: {
      readonly retry: Retry
      readonly mustAct?: MustAct
      readonly where?: string
      readonly next?: string
      readonly cause?: unknown
      readonly unanswered?: true
    },
  ): StandbyError
  /** A finding of one component. */
  finding(code: keyof Table, of: Pick<Component, 'name'>, what: FindingText): Finding
}

export interface FindingText {
  readonly severity: Finding['severity']
  readonly site?: string
  readonly what: string
  readonly next?: string
  /**
   * It is about something that did not answer, and goes away when it does: a second look is worth its time before an
   * approval is spent.
   */
  readonly unanswered?: true
}

export function declareCodes<const Table extends CodeTable>(area: string, table: Table): DeclaredCodes<Table> {
  // The one cast: a key of a declared table is a declared code.
  const code = Object.fromEntries(
    Object.keys(table).map((key) => [key, key]),
  ) as unknown as DeclaredCodes<Table>['code']
  return {
    area,
    table,
    code,
    error: (name, what, { mustAct = 'site', ...more }) =>
      new StandbyError({ code: code[name], mustAct, what, ...more }),
    finding: (name, of, text) => ({ code: code[name], component: of.name, ...text }),
  }
}
