import { openObjectStore } from '../../../src/clients/object-store.ts'
import { s3Preconditions } from '../../../src/witness/s3/store.ts'
import { startObjectStore } from '../../support/object-store.ts'
import { describeStorage } from '../../support/storage-promises.ts'
import type { WitnessServer } from '../../support/witness-server.ts'

async function s3WitnessServer(): Promise<WitnessServer> {
  const server = await startObjectStore()
  return {
    endpoint: server.endpoint,
    preconditions: s3Preconditions,
    objects: (place, { endpoint = server.endpoint, secret, ...time } = {}) =>
      openObjectStore({
        ...server.access(place),
        ...time,
        endpoint,
        ...(secret === undefined ? {} : { secretAccessKey: secret }),
      }),
    put: async (place, key, text) => {
      await openObjectStore(server.access(place)).put(key, text)
    },
    writes: ({ method, path }, key) => method === 'PUT' && path.endsWith(key),
    stop: server.stop,
  }
}

describeStorage(s3WitnessServer)
