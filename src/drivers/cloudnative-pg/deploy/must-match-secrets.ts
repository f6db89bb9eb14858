import { createHmac, randomBytes } from 'node:crypto'
import type { KubernetesClient } from '../../../clients/kubernetes-client.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { canonicalJson } from '../../../values/json.ts'
import { codes } from '../codes.ts'
import { SECRET } from '../objects.ts'
import type { Database } from '../spec.ts'

/** One key per process: the digests compare within a run and tell nothing outside of it. */
const key = randomBytes(32)

/** Digest of a Secret's content, for comparison within this process; null when the Secret does not exist. */
export async function secretDigest(
  kubernetes: KubernetesClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<string | null> {
  const secret = await kubernetes.get({ ...SECRET, namespace, name }, { signal })
  if (secret === null) return null
  const data = (secret.data ?? {}) as Readonly<Record<string, string>>
  return createHmac('sha256', key).update(canonicalJson(data)).digest('hex').slice(0, 16)
}

/**
 * Superuser and owner must be the same everywhere: after a promotion each site applies its own Secrets, and an
 * application with other passwords loses its login. Throws all that is missing or different at once.
 */
export async function assertSecretsMatch(component: Database, context: DriverContext): Promise<void> {
  const { namespace, secrets } = component.spec
  const problems = await Promise.all(
    [secrets.superuser, secrets.owner].map(async (name) => {
      const digests = await Promise.all(
        context.stack.sites.map(async ({ name: site }) => ({
          site,
          digest: await secretDigest(context.platform(KUBERNETES, site), namespace, name, context.signal),
        })),
      )
      const missing = digests.filter(({ digest }) => digest === null).map(({ site }) => site)
      if (missing.length > 0) return `${namespace}/${name} does not exist on ${missing.join(', ')}`
      return new Set(digests.map(({ digest }) => digest)).size > 1
        ? `${namespace}/${name} is not the same on ${digests.map(({ site }) => site).join(', ')}`
        : null
    }),
  )
  const found = problems.filter((problem) => problem !== null)
  if (found.length === 0) return
  throw codes.error(
    'database-secrets-differ',
    `the Secrets of ${component.name} must exist with the same content on every site: ${found.join('; ')}`,
    {
      retry: 'never',
      mustAct: 'input',
      where: `components.${component.name}.secrets`,
      next: 'Nothing was changed. Create them (kubernetes.io/basic-auth, keys username and password), equal on every site.',
    },
  )
}
