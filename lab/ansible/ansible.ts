import { join } from 'node:path'
import { ensureVirtualEnvironment } from '../python/virtual-environment.ts'

/**
 * The directory of ansible-playbook and ansible-lint, at pinned versions; made in the cache, in about a quarter of a
 * minute.
 */
export const ensureAnsible = async (signal: AbortSignal): Promise<string> =>
  join(await ensureVirtualEnvironment('ansible', join(import.meta.dirname, 'requirements.txt'), signal), 'bin')
