import { chmod, mkdir, readFile, rename, rm } from 'node:fs/promises'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiServerOf, type SiteName, stateOf } from '../topology.ts'
import { pkiOf } from './pki.ts'

/**
 * Runs beside one site for as long as it lives: a volume whose claim was deleted is emptied and offered again.
 * Local volumes have no provisioner, and tests create and delete database clusters all the time.
 */
interface Volume {
  readonly metadata: { readonly name: string; readonly resourceVersion: string }
  readonly spec: { readonly local?: { readonly path: string } }
  readonly status?: { readonly phase?: string }
}

interface Connection {
  readonly ca: Buffer
  readonly cert: Buffer
  readonly key: Buffer
}

async function recycleVolumes(site: SiteName): Promise<never> {
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', 'recycler.crt', 'recycler.key'].map((file) => readFile(pkiOf(site, file))),
  )
  if (ca === undefined || cert === undefined || key === undefined)
    throw new Error(`lab-recycler-failed: no certificates for ${site}`)
  for (;;) {
    try {
      await watchOnce(site, { ca, cert, key })
    } catch (error) {
      process.stdout.write(`${new Date().toISOString()} ${site}: ${error}\n`)
      // The API server may be away for good reasons (an outage is being played): ask again, unhurried.
      await sleep(500)
    }
  }
}

/** Follows all volumes from a fresh list until the API server ends the watch. */
async function watchOnce(site: SiteName, connection: Connection): Promise<void> {
  const query =
    'watch=true&allowWatchBookmarks=false&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=300'
  const events = await answer(send(site, connection, 'GET', `/api/v1/persistentvolumes?${query}`))
  for await (const line of createInterface({ input: events })) {
    const event: { type: string; object: Volume } = JSON.parse(line)
    if (event.type === 'ERROR') throw new Error(`watch refused: ${line.slice(0, 200)}`)
    if (event.type !== 'DELETED' && event.object.status?.phase === 'Released')
      await recycle(site, connection, event.object)
  }
}

async function recycle(site: SiteName, connection: Connection, volume: Volume): Promise<void> {
  const path = volume.spec.local?.path
  if (path === undefined || !path.startsWith(stateOf(site))) return
  // Renaming is instant; removing what was inside may take its time afterwards.
  const trash = `${path}.trash-${Date.now()}`
  await rename(path, trash)
  await mkdir(path)
  await chmod(path, 0o777)
  await patchAway(site, connection, volume)
  await rm(trash, { recursive: true, force: true })
}

/** The resource version makes sure that the claim which is removed is the one that was seen released. */
async function patchAway(site: SiteName, connection: Connection, volume: Volume): Promise<void> {
  const patch = { metadata: { resourceVersion: volume.metadata.resourceVersion }, spec: { claimRef: null } }
  const asked = send(
    site,
    connection,
    'PATCH',
    `/api/v1/persistentvolumes/${volume.metadata.name}`,
    JSON.stringify(patch),
  )
  const response = await answer(asked, [200, 409])
  response.resume()
}

function send(site: SiteName, connection: Connection, method: string, path: string, body?: string): ClientRequest {
  const headers = body === undefined ? {} : { 'content-type': 'application/merge-patch+json' }
  const asked = request(`${apiServerOf(site)}${path}`, { method, headers, ...connection })
  asked.end(body)
  return asked
}

function answer(asked: ClientRequest, accepted: readonly number[] = [200]): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.once('error', reject)
    asked.once('response', (response: IncomingMessage) => {
      if (accepted.includes(response.statusCode ?? 0)) resolve(response)
      else reject(new Error(`API server answered ${response.statusCode}`))
    })
  })
}

await recycleVolumes(process.argv[2] as SiteName)
