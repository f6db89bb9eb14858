import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HttpRequest } from '../../src/clients/http-question.ts'

/** Files in PEM: a certificate, its key, and the authority of the test that signed it. */
export interface Certified {
  readonly authority: string
  readonly certificate: string
  readonly key: string
}

/**
 * Makes an authority in a folder, and one certificate of it for a server that is a client too; each name is as in
 * `IP:127.0.0.1` or `DNS:localhost`. About 50 ms.
 */
export function certifiedBy(folder: string, names: readonly string[]): Certified {
  mkdirSync(folder, { recursive: true })
  const at = (file: string): string => join(folder, file)
  const openssl = (...args: readonly string[]): unknown => execFileSync('openssl', args, { stdio: 'ignore' })
  const newKey = (file: string): string[] => [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-keyout', at(`${file}.key`), '-out', at(`${file}.pem`)],
  ]
  openssl(...newKey('authority'), '-subj', '/CN=standby-test', '-addext', 'keyUsage=critical,keyCertSign')
  openssl(
    ...newKey('server'),
    ...['-subj', '/CN=server', '-CA', at('authority.pem'), '-CAkey', at('authority.key')],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', `subjectAltName=${names.join(',')}`],
    ...['-addext', 'extendedKeyUsage=serverAuth,clientAuth'],
  )
  return { authority: at('authority.pem'), certificate: at('server.pem'), key: at('server.key') }
}

/** What a request needs to be answered by a server that demands this certificate. */
export const readCertified = ({
  authority,
  certificate,
  key,
}: Certified): Required<Pick<HttpRequest, 'authority' | 'identity'>> => ({
  authority: readFileSync(authority, 'utf8'),
  identity: { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') },
})
