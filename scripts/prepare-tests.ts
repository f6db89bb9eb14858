import { existsSync } from 'node:fs'
import { ensureProgram } from '../lab/binaries/build.ts'
import { ensureCachedParts } from '../lab/cached-parts.ts'
import { storeIsCached } from '../lab/images/store.ts'
import { ensureMachineTree } from '../lab/machines/tree.ts'
import { startProgress } from '../lab/progress.ts'
import { installMissing, installPackages, missingPrograms } from '../lab/requirements.ts'
import { ensurePatroni } from '../test/support/patroni-programs.ts'

/** What tests run for real outside the lab, and the Debian package that brings it. */
const servers: Readonly<Record<string, string>> = {
  '/usr/lib/postgresql/15/bin/postgres': 'postgresql-15',
  '/usr/bin/redis-server': 'redis-server',
  '/usr/bin/redis-cli': 'redis-tools',
  '/usr/sbin/named': 'bind9',
  '/usr/sbin/nginx': 'nginx-light',
  '/usr/bin/nsupdate': 'bind9-dnsutils',
  '/usr/bin/etcd': 'etcd-server',
  '/usr/lib/python3.11/ensurepip': 'python3-venv',
}

/**
 * Installs and builds, once, what the tests need: a test that builds Kubernetes on the way would run into its own
 * deadline.
 */
const progress = startProgress(storeIsCached() ? 'warm' : 'cold')
const signal = new AbortController().signal
const show = (line: string): void => progress.detail('apt packages', line)
try {
  for (const kind of ['kubernetes', 'machines'] as const) {
    const programs = missingPrograms(kind)
    if (programs.length > 0) await progress.step('apt packages', () => installMissing(programs, show, signal))
  }
  const packages = Object.keys(servers).flatMap((path) => (existsSync(path) ? [] : [servers[path] ?? '']))
  if (packages.length > 0) await progress.step('apt packages', () => installPackages(packages, show, signal))
  await progress.step('Patroni', () => ensurePatroni())
  await ensureCachedParts(progress, signal)
  await ensureMachineTree(progress, signal)
  await progress.step('Consul program', () => ensureProgram('consul', signal))
} finally {
  progress.end()
}
