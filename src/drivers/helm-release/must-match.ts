import { createHash } from 'node:crypto'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import type { Application } from './spec.ts'

/**
 * `Secret/KEY` → hash of its value, or null where it is missing. Salted with the stack's name, so that a hash means
 * nothing elsewhere.
 */
export async function secretHashes(
  component: Application,
  site: SiteName,
  context: DriverContext,
): Promise<Record<string, string | null>> {
  const entries = await Promise.all(
    (component.spec.mustMatch ?? []).map(async ({ secret, keys }) => {
      const ref = {
        apiVersion: 'v1',
        kind: 'Secret',
        plural: 'secrets',
        namespace: component.spec.namespace,
        name: secret,
      }
      const found = await context.platform(KUBERNETES, site).get(ref, { signal: context.signal })
      const data = (found?.data ?? {}) as Record<string, string>
      return keys.map(
        (key) => [`${secret}/${key}`, data[key] === undefined ? null : hashed(context.stack.name, data[key])] as const,
      )
    }),
  )
  return Object.fromEntries(entries.flat())
}

const hashed = (salt: string, value: string): string =>
  createHash('sha256').update(`${salt}\u0000${value}`).digest('hex').slice(0, 16)
