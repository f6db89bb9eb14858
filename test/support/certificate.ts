import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate for 127.0.0.1, and for more addresses and names, that signs itself. */
export function selfSigned(...more: readonly string[]): { readonly key: string; readonly cert: string } {
  const home = mkdtempSync(join(tmpdir(), 'standby-tls-'))
  const [key, cert] = [join(home, 'key.pem'), join(home, 'cert.pem')]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key]
  const subject = [
    '-subj',
    '/CN=127.0.0.1',
    '-addext',
    `subjectAltName=${['127.0.0.1', ...more].map((at) => `${isIP(at) === 0 ? 'DNS' : 'IP'}:${at}`).join(',')}`,
    '-days',
    '2',
    '-out',
    cert,
  ]
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject], { stdio: 'ignore' })
  const pair = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  rmSync(home, { recursive: true })
  return pair
}
