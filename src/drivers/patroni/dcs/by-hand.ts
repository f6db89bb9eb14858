import { type Database, keysBelow } from '../spec.ts'

/** What a person types where Standby writes into the store of a site. */
export interface StoreByHand {
  /** Writes the configuration into `config.json`. */
  readonly readConfig: string
  readonly writeConfig: string
  /** Forgets that the database was made. */
  readonly forget: string
  /** What then says that there is no `initialize` any more. */
  readonly isForgotten: string
}

export function storeByHand(component: Database): StoreByHand {
  const below = keysBelow(component)
  const [config, initialize, history] = [`${below}config`, `${below}initialize`, `${below}history`]
  const { kind } = component.spec.store
  switch (kind) {
    case 'etcd':
      return {
        readConfig: `etcdctl get ${config} --print-value-only > config.json`,
        writeConfig: `etcdctl put ${config} -- "$(cat config.json)"`,
        forget: `etcdctl del ${initialize}; etcdctl del ${history}`,
        isForgotten: `etcdctl get ${initialize} shows nothing`,
      }
    case 'consul':
      return {
        readConfig: `consul kv get ${config} > config.json`,
        writeConfig: `consul kv put ${config} @config.json`,
        forget: `consul kv delete ${initialize}; consul kv delete ${history}`,
        isForgotten: `consul kv get ${initialize} finds no key`,
      }
    default:
      return kind satisfies never
  }
}
