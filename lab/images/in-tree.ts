import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from '../execute.ts'

/** Where a tree that is being built finds the certificates of this machine. */
export const LENT_CERTIFICATES = '/tmp/ca.crt'

/** Lets programs in the tree resolve names, and trust what this machine trusts: its proxy may sign by itself. */
export async function lendNetwork(root: string): Promise<void> {
  await copyFile('/etc/resolv.conf', join(root, 'etc/resolv.conf'))
  await copyFile('/etc/ssl/certs/ca-certificates.crt', join(root, LENT_CERTIFICATES))
}

export async function takeNetworkBack(root: string): Promise<void> {
  for (const path of ['etc/resolv.conf', LENT_CERTIFICATES]) await rm(join(root, path), { force: true })
}

/** Runs a command with a tree as its root, for at most ten minutes. */
export function inTree(
  root: string,
  command: readonly string[],
  signal: AbortSignal,
  onLine?: (line: string) => void,
): Promise<string> {
  const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  // requests prefers these variables over pip's --cert, and the machine may set them to a file that the tree does not
  // have.
  const env = {
    PATH,
    PIP_FIND_LINKS: '',
    PIP_CERT: LENT_CERTIFICATES,
    REQUESTS_CA_BUNDLE: LENT_CERTIFICATES,
    CURL_CA_BUNDLE: LENT_CERTIFICATES,
  }
  return execute('chroot', [root, ...command], {
    deadline: 600_000,
    env,
    signal,
    ...(onLine === undefined ? {} : { onLine }),
  })
}
