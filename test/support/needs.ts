import { existsSync, globSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { machineTreeIsCached } from '../../lab/machines/tree.ts'
import { cached } from '../../lab/topology.ts'

/** What tests run for real outside the lab. */
export type Server =
  | 'postgresql-15'
  | 'redis-server'
  | 'redis-cli'
  | 'etcd'
  | 'etcd-server'
  | 'consul'
  | 'patroni'
  | 'kube-apiserver'
  | 'versitygw'
  | 'helm'
  | 'named'
  | 'nginx'
  | 'debian'
  | 'ansible'
  | 'machine'
  | 'sha256sum'
  | 'linux'

/**
 * Says which servers a test file needs: called when it, or what it imports, is loaded. Where one is missing and `npm
 * run test:unit` runs, the tests of that file are skipped, and their names say why (`skip-without-servers.js`). `npm
 * test` and every run with `CI` in its environment skip nothing.
 */
export function needs(...servers: readonly Server[]): void {
  const missing = servers.filter((server) => !IS_HERE[server]())
  if (missing.length === 0 || !MAY_SKIP) return
  const known = (globalThis as { missingServers?: Set<string> }).missingServers
  for (const server of missing) known?.add(server)
}

/** Set by `npm run test:unit`. */
const MAY_SKIP = process.env.STANDBY_SKIP_WITHOUT_SERVERS === '1' && (process.env.CI ?? '') === ''

const IS_HERE: Readonly<Record<Server, () => boolean>> = {
  'postgresql-15': () => existsSync('/usr/lib/postgresql/15/bin/postgres'),
  'redis-server': () => isOnPath('redis-server'),
  'redis-cli': () => isOnPath('redis-cli'),
  etcd: () => isOfLab('etcd'),
  consul: () => isOfLab('consul'),
  'etcd-server': () => existsSync('/usr/bin/etcd'),
  // It is installed from PyPI where Python can make a virtual environment.
  patroni: () => process.getuid?.() === 0 && existsSync('/usr/bin/python3') && existsSync('/usr/sbin/runuser'),
  // Of GNU coreutils: that of macOS has other options.
  sha256sum: () => process.platform === 'linux' && isOnPath('sha256sum'),
  // What reads processes in /proc: the lab, and programs whose processes a test counts there.
  linux: () => process.platform === 'linux',
  'kube-apiserver': () => isOfLab('kube-apiserver'),
  versitygw: () => isOfLab('versitygw'),
  helm: () => isOfLab('helm'),
  nginx: () => existsSync('/usr/sbin/nginx'),
  named: () => existsSync('/usr/sbin/named') && isOnPath('nsupdate') && isOnPath('dig'),
  // A machine boots from a tree of its own.
  machine: () => process.getuid?.() === 0 && isOnPath('systemd-nspawn') && machineTreeIsCached(),
  // It is installed from PyPI where it is needed first.
  ansible: () => existsSync(cached('ansible')),
  // A tree of Debian is entered in a mount namespace.
  debian: () => process.getuid?.() === 0 && existsSync(cached('debian')),
}

const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, program)))
const isOfLab = (program: string): boolean =>
  existsSync(cached('first', program)) || globSync(cached('binaries', '*', program)).length > 0
