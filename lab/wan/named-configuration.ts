/** A DNS server that has one zone, and takes dynamic updates of its addresses (RFC 2136) with a key. */
export interface Named {
  /** Holds the file of the zone, `zone`, and what the server writes. */
  readonly directory: string
  readonly zone: string
  readonly port: number
  readonly addresses: readonly string[]
  /** Base64, of the key `update`. */
  readonly secret: string
}

/** How `nsupdate -y` wants the key. */
export const updateKeyOf = (secret: string) => `hmac-sha256:update:${secret}`

/** The options that every server of the lab and of tests has. */
export const namedOptions = ({ directory, port, addresses }: Pick<Named, 'directory' | 'port' | 'addresses'>): string =>
  `directory "${directory}"; pid-file none; session-keyfile none; dnssec-validation no;
  listen-on port ${port} { ${addresses.map((address) => `${address}; `).join('')}}; listen-on-v6 { none; };`

export const namedConfiguration = (named: Named): string => `
key update { algorithm hmac-sha256; secret "${named.secret}"; };
options { ${namedOptions(named)} recursion no; };
controls { };
zone "${named.zone}" { type primary; file "zone"; update-policy { grant update zonesub A; }; };
`

/** The zone before its first update; TTL in seconds. */
export function zoneFile(zone: string, records: Readonly<Record<string, string>>, ttl: number): string {
  const addresses = Object.entries(records).map(([name, address]) => `${name} ${ttl} A ${address}`)
  const head = [
    `$ORIGIN ${zone}.`,
    `@ ${ttl} SOA ns.${zone}. root.${zone}. 1 60 60 600 ${ttl}`,
    '@ NS ns',
    'ns A 127.0.0.1',
  ]
  return [...head, ...addresses, ''].join('\n')
}
