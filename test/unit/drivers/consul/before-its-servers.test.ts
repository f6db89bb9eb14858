import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { askOverHttp, type HttpRequest } from '../../../../src/clients/http-question.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { DeployUnit } from '../../../../src/driver/deployment.ts'
import { consul } from '../../../../src/drivers/consul/driver.ts'
import type { ConsulSpec, Federation } from '../../../../src/drivers/consul/spec.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const signal = AbortSignal.timeout(60_000)

async function unitsAt(server: string): Promise<readonly DeployUnit[]> {
  const spec: ConsulSpec = {
    primary: 'dc-a',
    token: { env: 'CONSUL_TOKEN' },
    sites: { 'dc-a': { datacenter: 'dc-a', servers: [server] } },
    traffic: { queries: { app: { service: 'app' } }, redirects: { services: ['app'] } },
    meshGateways: { mode: 'local' },
  }
  const component = { name: 'federation', driver: 'consul', needs: [], spec } as unknown as Federation
  const context = {
    stack: { ...toyStack, sites: [{ name: 'dc-a', platforms: {} }] },
    signal,
    credential: async () => 'a-token',
    http: (request: HttpRequest) => askOverHttp(request, [signal]),
  } as unknown as DriverContext
  const deployment = {
    activeSite: 'dc-a' as SiteName,
    roleOf: () => 'active' as const,
    observed: {},
    epoch: null,
    adopt: false,
  }
  return (await consul.deploys?.deploy(component, 'dc-a' as SiteName, deployment, context)) ?? []
}

/** A server that answers each question so, for as long as `then` runs. */
async function withServer<T>(status: number, then: (address: string) => Promise<T>): Promise<T> {
  const server = createServer((_, response) => response.writeHead(status).end('no'))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  try {
    return await then(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.close()
  }
}

test('a deploy that makes the servers of Consul too finds all of its queries and entries to be made, and makes none while no server answers', async () => {
  const units = await withServer(200, unitsAt)
  expect(units.length).toBe(3)
  for (const unit of units) {
    const kinds = (await unit.diff(signal)).map(({ kind }) => kind)
    expect({ unit: unit.id, kinds: [...new Set(kinds)] }).toEqual({ unit: unit.id, kinds: ['create'] })
    await expect(unit.apply(signal)).rejects.toMatchObject({ code: 'consul-silent' })
  }
})

test('a server of Consul that refuses the token ends the comparison of a deploy', async () => {
  await withServer(403, async (address) => {
    for (const unit of await unitsAt(address))
      await expect(unit.diff(signal)).rejects.toMatchObject({ code: 'consul-refused' })
  })
})
