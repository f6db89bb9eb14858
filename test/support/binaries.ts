import { existsSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { ensureProgram } from '../../lab/binaries/build.ts'
import { cached } from '../../lab/topology.ts'

/** A program of the lab's cache, whichever version is there; built (which takes minutes) only when there is none. */
export async function binary(
  name: 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'versitygw' | 'helm' | 'consul',
): Promise<string> {
  for await (const path of glob(cached('binaries', '*', name))) return path
  const early = cached('first', name)
  if (existsSync(early)) return early
  console.error(`building ${name}`)
  return ensureProgram(name, AbortSignal.timeout(1_800_000))
}
