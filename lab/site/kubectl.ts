import type { Binaries } from '../binaries/build.ts'
import { type ExecuteOptions, execute } from '../execute.ts'
import type { SiteName } from '../topology.ts'
import { adminKubeconfigOf } from './pki.ts'

/** kubectl as cluster administrator, for the lab's own set-up only. */
export type Kubectl = (args: readonly string[], options?: ExecuteOptions) => Promise<string>

export function kubectlOf(site: SiteName, binaries: Binaries, signal: AbortSignal): Kubectl {
  const identity = [`--kubeconfig=${adminKubeconfigOf(site)}`, '--request-timeout=20s']
  return (args, options = {}) =>
    execute(binaries.kubectl, [...identity, ...args], { deadline: 60_000, signal, ...options })
}

/** Server-side apply of objects (or of YAML text) under the lab's own field manager. */
export function apply(kubectl: Kubectl, objects: readonly object[] | string): Promise<string> {
  const input =
    typeof objects === 'string' ? objects : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  return kubectl(['apply', '--server-side', '--force-conflicts', '--field-manager=standby-lab', '-f', '-'], { input })
}
