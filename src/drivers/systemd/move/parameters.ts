/** The parameters of this driver's steps, as they stand in a plan. */

/** By host, what ran, and what a boot would have started, when the move was planned; null: it was not seen. */
export type Before = {
  readonly ran: { readonly [host: string]: readonly string[] } | null
  readonly enabled: { readonly [host: string]: readonly string[] } | null
}
/** `hosts`: where the units are started, by name. */
export type Start = { readonly hosts: readonly string[] }
