import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { consulClient } from '../../src/clients/consul/client.ts'
import { readService } from '../../src/clients/consul/services.ts'
import { askOverHttp } from '../../src/clients/http-question.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import { seconds } from '../../src/values/duration.ts'
import { until } from '../until.ts'
import { CONSUL_PORT, consulTokenOf, type LabConsul } from './consul.ts'
import type { MachinesEnvironment } from './environment.ts'

/** Patroni is asked each 5 s for what it registers, and a site that has just come back finds the others by then. */
const LISTED_WITHIN = 60_000

/**
 * Returns when the catalogue of each site lists one writable database, on the active site and on no other: asked as a
 * program that looks for it there would, from each site about each.
 */
export async function untilCatalogueNames(
  active: string,
  { sites, consul }: MachinesEnvironment & { readonly consul: LabConsul },
  signal: AbortSignal,
): Promise<void> {
  const authority = await readFile(join(consul.certificates, 'ca.crt'), 'utf8')
  const clients = sites.map(({ name, machines }) => {
    const addresses = machines.map(({ address }) => `https://${address}:${CONSUL_PORT}`)
    const client = consulClient({
      way: {
        http: (request) => askOverHttp({ ...request, authority }),
        credential: async () => consulTokenOf('observer'),
      },
      access: { addresses, token: { env: 'CONSUL_TOKEN' } },
      deadline: seconds(5),
      signal,
      where: `Consul on ${name}`,
      error: (_failure, what, details) => siteError('http-silent', what, details),
    })
    return { name, client }
  })
  const listed = async (): Promise<string[]> => {
    const answers = clients.flatMap(({ name, client }) =>
      sites.map(async ({ name: datacenter }) => {
        const question = { datacenter, passing: true, filter: '"primary" in Service.Tags' }
        const { instances } = await readService(client, 'infisical', question)
        return instances.map(({ node }) => `${name} lists ${node} in ${datacenter}`)
      }),
    )
    return (await Promise.all(answers)).flat()
  }
  let last = 'nothing was listed yet'
  const hint = () => last
  await until(
    `one primary in the catalogue of each site, on ${active}`,
    { deadline: LISTED_WITHIN, every: 1_000, signal, hint },
    async () => {
      const all = await listed().catch((error: unknown) => [String(error)])
      last = all.join('; ')
      return all.length === sites.length && all.every((line) => line.endsWith(` in ${active}`))
    },
  )
}
