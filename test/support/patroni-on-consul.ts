import type { JsonObject } from '../../src/values/json.ts'
import { type ConsulDatacenter, type ConsulWorld, startConsul } from './consul/server.ts'
import type { StartStores, StoreOfTest } from './patroni-store.ts'

/** A datacenter of Consul for each site, all joined over the WAN. */
export const onConsul: StartStores = async (sites, certified = null) => {
  if (certified !== null) throw new Error('Consul with TLS is tested in the lab')
  const world = await startConsul(sites)
  return {
    kind: 'consul',
    of: (site) => storeIn(world, world.datacenter(site)),
    killNow: world.killNow,
    stop: world.stop,
  }
}

const storeIn = (world: ConsulWorld, datacenter: ConsulDatacenter): StoreOfTest => ({
  url: datacenter.url,
  configuration: { consul: { url: datacenter.url, register_service: true } },
  start: datacenter.start,
  kill: datacenter.kill,
  async read(key) {
    const [entry] = (await world.call(datacenter.name, 'GET', `kv/${key}`)) as { readonly Value: string }[]
    return decoded(entry?.Value ?? '')
  },
  configIn(request) {
    if (request.url !== `${datacenter.url}/v1/txn`) return null
    const operations = (JSON.parse(request.body ?? '') as readonly { readonly KV: Operation }[]).map(({ KV }) => KV)
    // What looks only whether it may write compares with no index.
    if (operations.some(({ Verb, Index }) => Verb === 'check-index' && Index === 0)) return null
    const value = operations.find(({ Verb, Key }) => Verb === 'set' && Key.endsWith('/config'))?.Value
    return value === undefined ? null : (JSON.parse(decoded(value)) as JsonObject)
  },
})

interface Operation {
  readonly Verb: string
  readonly Key: string
  readonly Value?: string
  readonly Index?: number
}
const decoded = (text: string): string => Buffer.from(text, 'base64').toString()
