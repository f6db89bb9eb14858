import { quoted, type WitnessManual } from '../../driver/manual.ts'
import type { ConsulWitnessSpec } from '../../witness/consul/spec.ts'

/** A witness in Consul, by its command line, which takes the token from its environment. */
export function manualConsulWitness({
  endpoint,
  endpointCA,
  datacenter,
  prefix = '',
}: ConsulWitnessSpec): WitnessManual {
  const authority = endpointCA === undefined ? '' : ` CONSUL_CACERT=${quoted(endpointCA)}`
  // Not quoted as a whole: the name of a run may be a variable of the shell.
  const name = (key: string): string => (key.includes('$') ? `"${prefix}${key}"` : quoted(`${prefix}${key}`))
  const put = (key: string, file: string, index: string): string =>
    `witness put -cas -modify-index=${index} ${name(key)} @${file}`
  return {
    prepare: [
      `export CONSUL_HTTP_ADDR=${quoted(endpoint)}${authority}   # and CONSUL_HTTP_TOKEN: the token of the mover`,
      `witness() { command=$1; shift; consul kv "$command" -datacenter=${quoted(datacenter)} "$@"; }`,
    ],
    read: (key, remark) => [
      `INDEX=$(witness get -detailed ${name(key)} | awk '$1 == "ModifyIndex" { print $2 }')`,
      `witness get ${name(key)} | tee ${key}   # ${remark}`,
    ],
    replace: (key) => [
      `$EDITOR ${key}`,
      `${put(key, key, '"$INDEX"')}   # CAS failed: another writer was faster; stop and look`,
    ],
    create: (key, file) => put(key, quoted(file), '0'),
  }
}
