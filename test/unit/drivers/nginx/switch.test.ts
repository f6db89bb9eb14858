import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { askOverHttp, type HttpRequest } from '../../../../src/clients/http-question.ts'
import { systemClock } from '../../../../src/composition/connect.ts'
import { EVERYWHERE, type Observed } from '../../../../src/domain/observed.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { NginxState } from '../../../../src/drivers/nginx/driver.ts'
import { valueIn, withValue } from '../../../../src/drivers/nginx/instance.ts'
import type { NginxSpec, NginxTraffic } from '../../../../src/drivers/nginx/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { nginx } from '../../../support/flat/drivers.ts'
import { type NginxHost, SLOW_BYTES, startNginx } from '../../../support/nginx.ts'
import { performStep, takeStepBack } from '../../../support/perform-step.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const FIRST = 'map "" $standby_active { default be-a; }\n'

let hosts: NginxHost[]
beforeEach(async () => {
  hosts = await Promise.all([startNginx(FIRST), startNginx(FIRST)])
}, 60_000)
afterEach(() => Promise.all(hosts.map((host) => host.stop())), 60_000)

/** All hosts answer at their own paths, so each instance is a component of its own kind of paths: one per test host. */
function traffic(host: NginxHost): NginxTraffic {
  const spec: NginxSpec = {
    file: host.file,
    variable: 'standby_active',
    status: host.status,
    command: host.command,
    pid: host.pid,
    closed: 'none',
    upstreams: { 'dc-a': 'be-a', 'dc-b': 'be-b' },
    instances: [{ host: 'lb-1', url: host.url }],
    ssh: { user: 'standby', privateKey: { env: 'KEY' }, knownHosts: { env: 'HOSTS' } },
    verify: { header: 'X-Standby-Site' },
  }
  return { name: 'traffic', driver: 'nginx', needs: [], spec }
}

function contextOf(host: NginxHost): FlatContext {
  const signal = AbortSignal.timeout(60_000)
  return {
    stack: toyStack,
    signal,
    clock: systemClock,
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    credential: async () => 'secret',
    ssh: () => host.runner,
    http: (request: HttpRequest) => askOverHttp(request, [signal]),
  } as unknown as FlatContext
}

async function observed(host: NginxHost): Promise<Observed<NginxState>> {
  return (await nginx.observe(traffic(host), null, contextOf(host))) as Observed<NginxState>
}

async function runOf(host: NginxHost, action: 'close' | 'switch'): Promise<FlatRun> {
  const component = traffic(host)
  const context = contextOf(host)
  const states = { [EVERYWHERE]: await observed(host) }
  const step = nginx.move?.(component, states, intent, toyStack).find((one) => one.action === action)
  if (step === undefined) throw new Error(`no step ${action}`)
  const run = { step, component, intent, context, signal: context.signal, begunAt: '', applied: false }
  return { ...run, proofOf: () => null } as unknown as FlatRun
}
const perform = async (host: NginxHost, action: 'close' | 'switch') =>
  performStep(nginx.behaviours[action] as never, await runOf(host, action), 30_000)

const siteOf = async (host: NginxHost): Promise<string> =>
  (await fetch(host.url)).headers.get('x-standby-site') ?? 'none'

const first = (): NginxHost => {
  const [host] = hosts
  if (host === undefined) throw new Error('no host')
  return host
}

describe('traffic through NGINX', () => {
  test('closes and switches every instance, and each switch survives a reload and a restart', async () => {
    for (const host of hosts) {
      expect(await siteOf(host)).toBe('dc-a')
      await perform(host, 'close')
      expect((await fetch(host.url)).status).toBe(502)
      await host.restart()
      expect((await fetch(host.url)).status).toBe(502)
      expect(await perform(host, 'switch')).toMatchObject({
        outcome: 'done',
        proof: { value: 'be-b', verified: true, answersPerInstance: 3 },
      })
      expect(await siteOf(host)).toBe('dc-b')
      await host.restart()
      expect(await siteOf(host)).toBe('dc-b')
    }
  }, 60_000)

  test('doors are closed when no worker of the earlier configuration is left, and its open requests are ended', async () => {
    const host = first()
    const slow = new Promise<number>((resolve) => {
      let bytes = 0
      const request = get(`${host.url}slow`, (response) => {
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
        })
        response.on('close', () => resolve(bytes))
        response.on('error', () => resolve(bytes))
      })
      request.on('error', () => resolve(bytes))
    })
    await new Promise((resolve) => setTimeout(resolve, 300))
    const { proof } = await perform(host, 'close')
    expect(proof).toMatchObject({ instances: [{ runtime: 'none', file: 'none', sessions: 0 }] })
    expect(await slow).toBeLessThan(SLOW_BYTES)
  }, 60_000)

  test('a close that is undone serves the old site again', async () => {
    const host = first()
    const run = await runOf(host, 'close')
    await performStep(nginx.behaviours.close as never, run, 30_000)
    await takeStepBack(nginx.behaviours.close as never, run, 30_000)
    expect(await siteOf(host)).toBe('dc-a')
  }, 60_000)

  test('a file that NGINX refuses is put back as it was, and the refusal ends the step', async () => {
    const host = first()
    const run = await runOf(host, 'close')
    const bent = { ...run, step: { ...run.step, parameters: { ...run.step.parameters, value: 'no{where' } } }
    await expect(performStep(nginx.behaviours.close as never, bent as never, 30_000)).rejects.toMatchObject({
      code: 'nginx-refused',
    })
    expect(readFileSync(host.file, 'utf8')).toBe(FIRST)
    await host.restart()
    expect(await siteOf(host)).toBe('dc-a')
  }, 60_000)

  test('a switch that died between file and reload is seen as half done, and is finished', async () => {
    const host = first()
    host.onCommand = (command) => {
      if (command.includes('-s reload')) throw siteError('ssh-unreachable', 'Connection reset', { retry: 'transient' })
    }
    const run = await runOf(host, 'close')
    await nginx.behaviours.close
      ?.apply?.({ ...run, signal: AbortSignal.timeout(1_000) } as never)
      .catch(() => undefined)
    host.onCommand = () => undefined
    expect(await observed(host)).toMatchObject({ state: { instances: { 'lb-1': { runtime: 'be-a', file: 'none' } } } })
    await perform(host, 'close')
    expect((await fetch(host.url)).status).toBe(502)
  }, 60_000)

  test('lines of other stacks in the file stay as they are', () => {
    const both = withValue('map "" $other { default x; }\nmap "" $mine { default a; }\n', 'mine', 'b')
    expect([valueIn(both, 'other'), valueIn(both, 'mine')]).toEqual(['x', 'b'])
  })

  test.each(['/nowhere/pid', '/dev/null'])(
    'a host whose old workers cannot be searched (pid file %s) is never taken for closed',
    async (pid) => {
      const host = { ...first(), pid }
      expect(await observed(host)).toMatchObject({ kind: 'silent' })
      const behaviour = nginx.behaviours.close
      const run = await runOf(host, 'close')
      await expect(behaviour?.done(run as never)).resolves.not.toMatchObject({ is: 'done' })
    },
  )

  test('a host that does not answer is silent, and never taken for a site', async () => {
    const host = first()
    host.unplugged = true
    expect(await observed(host)).toMatchObject({ kind: 'silent' })
  })
})
