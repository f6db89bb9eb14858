import { X509Certificate } from 'node:crypto'

/** More than any authority and its predecessors need; must fit into a ConfigMap and a Secret. */
const LARGEST = 64 * 1024

export interface JudgedCertificates {
  /** Why the text cannot authenticate a server; null when it is sound. */
  readonly refused: string | null
  readonly warnings: readonly string[]
}

/** Whether a text holds certificates in PEM, and no private key. Pure. */
export function judgeCertificates(text: string, now: Date): JudgedCertificates {
  const refused = (why: string): JudgedCertificates => ({ refused: why, warnings: [] })
  if (text.length > LARGEST) return refused(`is larger than ${LARGEST / 1024} KiB`)
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    return refused('holds a private key: only the certificates belong here')
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) return refused('holds no certificate in PEM (-----BEGIN CERTIFICATE-----)')
  const warnings: string[] = []
  for (const [index, block] of blocks.entries()) {
    const certificate = certificateIn(block)
    if (certificate === null) return refused(`holds a certificate that cannot be read (number ${index + 1})`)
    if (certificate.validToDate < now)
      warnings.push(
        `holds a certificate that ended on ${certificate.validToDate.toISOString().slice(0, 10)} (number ${index + 1})`,
      )
  }
  return { refused: null, warnings }
}

function certificateIn(block: string): X509Certificate | null {
  try {
    return new X509Certificate(block)
  } catch {
    return null
  }
}
