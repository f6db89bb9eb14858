import type { DeclaredCanary } from './declaration.ts'
import { infisical } from './infisical.ts'
import type { ApplicationProfile } from './profile.ts'

/**
 * By `canary.kind`. Hanzo KMS, as far as it needs PostgreSQL and Redis, is a fork of Infisical with the same API: it
 * declares `infisical-secret` too.
 */
const PROFILES: Readonly<Record<DeclaredCanary['kind'], ApplicationProfile>> = { 'infisical-secret': infisical }

export const profileOf = ({ kind }: DeclaredCanary): ApplicationProfile => PROFILES[kind]
