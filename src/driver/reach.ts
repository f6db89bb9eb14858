import type { SiteName } from '../domain/stack.ts'
import type { Milliseconds } from '../values/duration.ts'

/**
 * Where a connection leads: it stands outside of all sites, or in one of them. A step of a failover that leads into the
 * lost site ends with `lost-site-touched`, whatever carries it: ssh, a program, HTTP.
 *
 * `mayBeLost`: the connection is part of a fence or of traffic in a site that may be the lost one. It is let through,
 * and no call takes longer than this.
 */
export type Reach = 'outside-sites' | { readonly site: SiteName; readonly mayBeLost?: Milliseconds }
