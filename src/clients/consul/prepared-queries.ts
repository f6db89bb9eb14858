import { isObject, type JsonObject } from '../../values/json.ts'
import { type ConsulCall, type ConsulClient, inPath } from './client.ts'
import { objectIn, objectsIn, textIn } from './fields.ts'
import { instanceIn, type ServiceInstance } from './services.ts'

/** As Consul keeps it. Each datacenter has prepared queries of its own: they do not need the primary datacenter. */
export interface PreparedQuery {
  readonly id: string
  readonly name: string
  readonly definition: JsonObject
}

/** Those that the token may see. */
export async function readPreparedQueries(
  client: ConsulClient,
): Promise<{ readonly queries: readonly PreparedQuery[]; readonly isFiltered: boolean }> {
  const { value, isFiltered } = await client.askJson({ method: 'GET', path: 'query' })
  const queries = objectsIn(value).map((query) => ({
    id: textIn(query.ID),
    name: textIn(query.Name),
    definition: query,
  }))
  return { queries, isFiltered }
}

/** Makes a prepared query, and returns its id. */
export async function createPreparedQuery(client: ConsulClient, definition: JsonObject): Promise<string> {
  const call: ConsulCall = { method: 'POST', path: 'query', body: JSON.stringify(definition) }
  const id = textIn(objectIn((await client.askJson(call)).value).ID)
  if (id === '') throw client.unreadable(call, 'it has no id')
  return id
}

/** Replaces the whole definition, whatever it was: Consul has no precondition here. */
export async function replacePreparedQuery(client: ConsulClient, id: string, definition: JsonObject): Promise<void> {
  await client.ask({ method: 'PUT', path: `query/${inPath(id)}`, body: JSON.stringify(definition) })
}

/** What a prepared query answered. */
export interface ExecutedQuery {
  readonly instances: readonly ServiceInstance[]
  /** The datacenter that the instances are from. */
  readonly datacenter: string
}

/** What a prepared query answers by its name or its id; null: there is none. */
export async function executePreparedQuery(client: ConsulClient, name: string): Promise<ExecutedQuery | null> {
  const call: ConsulCall = { method: 'GET', path: `query/${inPath(name)}/execute`, accepts: [404] }
  const { status, value } = await client.askJson(call)
  if (status === 404) return null
  if (!isObject(value)) throw client.unreadable(call, 'it is no object')
  return {
    instances: objectsIn(value.Nodes).map(instanceIn),
    datacenter: textIn(value.Datacenter),
  }
}
