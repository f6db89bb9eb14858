export interface Log {
  /** A change of state that a person wants to see. */
  info(line: string): void
  warning(line: string): void
  debug(line: string): void
}
