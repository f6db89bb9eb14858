import { openConsulKv } from '../../../src/clients/consul/versioned-kv.ts'
import { consulPreconditions } from '../../../src/witness/consul/store.ts'
import { startConsul } from '../../support/consul/server.ts'
import { describeStorage } from '../../support/storage-promises.ts'
import type { WitnessServer } from '../../support/witness-server.ts'

async function consulWitnessServer(): Promise<WitnessServer> {
  const world = await startConsul(['dc-c'], { acl: true })
  const { url } = world.datacenter('dc-c')
  return {
    endpoint: url,
    preconditions: consulPreconditions,
    objects: (prefix, { endpoint = url, secret = world.managementToken, ...time } = {}) =>
      openConsulKv({ ...time, endpoint, datacenter: 'dc-c', prefix, token: secret }),
    put: async (place, key, text) => {
      await world.call('dc-c', 'PUT', `kv/${place}${key}`, text)
    },
    writes: ({ method, path, body }, key) =>
      method === 'PUT' && (path.startsWith('/v1/txn') ? body.includes(`${key}"`) : path.includes(`${key}?`)),
    stop: world.stop,
  }
}

describeStorage(consulWitnessServer)
