/** The fields of an answer of INFO, by name; headings are left out. Pure. */
export function infoFields(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const [, name, value] = /^([a-z0-9_]+):(.*?)\r?$/.exec(line) ?? []
      return name === undefined || value === undefined ? [] : [[name, value]]
    }),
  )
}

/** `slave0:ip=10.2.0.11,port=6379,state=online,offset=4875,lag=0`. */
export interface AttachedReplica {
  /** `10.2.0.11:6379`, as the replica announces itself. */
  readonly address: string
  readonly online: boolean
  readonly offset: number
}

/** The replicas that a master names in INFO replication. Pure. */
export const attachedReplicas = (fields: ReadonlyMap<string, string>): AttachedReplica[] =>
  [...fields].flatMap(([name, value]): AttachedReplica[] => {
    if (!/^slave\d+$/.test(name)) return []
    const parts = new Map(
      value.split(',').map((part): [string, string] => [part.split('=')[0] ?? '', part.split('=')[1] ?? '']),
    )
    return [
      {
        address: `${parts.get('ip')}:${parts.get('port')}`,
        online: parts.get('state') === 'online',
        offset: Number(parts.get('offset')),
      },
    ]
  })

/**
 * Records of a reply that is a list of fields and values, one in each line, as redis-cli prints it. `first` is the
 * field with which each record begins. Pure.
 */
export function recordsIn(reply: string, first: string): ReadonlyMap<string, string>[] {
  const records: Map<string, string>[] = []
  const lines = reply.split('\n')
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const [name = '', value = ''] = [lines[index], lines[index + 1]]
    if (name === first || records.length === 0) records.push(new Map())
    records.at(-1)?.set(name, value)
  }
  return records
}
