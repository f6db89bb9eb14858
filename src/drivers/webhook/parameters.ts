/**
 * `before`: the site that was served when the plan was made; `closed`: none. It is served again when the move is
 * undone.
 */
export type CloseParameters = { readonly before: string }
export type SiteParameters = { readonly site: string }
