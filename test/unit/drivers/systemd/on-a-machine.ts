import { createHash } from 'node:crypto'
import { sshRunner } from '../../../../src/clients/ssh.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { Site, SiteName, Stack } from '../../../../src/domain/stack.ts'
import { type DriverStep, idOfStep } from '../../../../src/driver/action.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { systemd } from '../../../../src/drivers/systemd/driver.ts'
import { observeUnits, type SystemdState } from '../../../../src/drivers/systemd/observe.ts'
import type { Application, SystemdSpec } from '../../../../src/drivers/systemd/spec.ts'
import { type StepPerformer, stepPerformer } from '../../../../src/execution/perform-step.ts'
import { type HostsClient, openHosts } from '../../../../src/platform/hosts/client.ts'
import { onceByKey } from '../../../../src/runtime/once.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { deadlineAfter } from '../../../../src/waiting/deadline.ts'
import { performed } from '../../../support/perform-step.ts'
import { type SystemdMachine, startSystemdMachine } from '../../../support/systemd-machine.ts'
import { toyStack } from '../../../support/toy-stack.ts'

export const A = 'dc-a' as SiteName
export const B = 'dc-b' as SiteName
export const SANDBOXES = '/var/lib/standby'
export const CANARY = 'sings "loudly" \\ and\twell'

/** One machine that is the only host of both sites: the sites differ in their units. */
export interface UnitsOnMachine {
  readonly machine: SystemdMachine
  readonly context: DriverContext
  readonly warnings: string[]
  /** What was sent to the host: command lines, never what went through stdin. */
  readonly commands: string[]
  component(more: Partial<SystemdSpec>): Application
  /** Writes a unit; `how`: further lines of its [Service]. */
  unit(name: string, command: string, how?: readonly string[]): void
  /** An observation has 2.4 s, and is asked again where the machine of the tests is too busy for that. */
  observe(component: Application, site: SiteName): ReturnType<typeof observeUnits>
  perform(component: Application, step: DriverStep, intent: Intent): Promise<JsonObject>
  takeBack(component: Application, step: DriverStep, intent: Intent): Promise<void>
  property(unit: string, property: string): string
  stop(): Promise<void>
}

export async function unitsOnMachine(): Promise<UnitsOnMachine> {
  const machine = await startSystemdMachine()
  const runners = new Map<string, ReturnType<typeof sshRunner>>()
  const siteNamed = (name: SiteName): Site => ({
    name,
    platforms: {
      hosts: {
        ssh: { user: machine.user, privateKey: { env: 'KEY' }, knownHosts: { env: 'KNOWN' }, become: 'sudo' },
        machines: { app: { address: machine.address, machineId: machine.machineId } },
        sandbox: { machine: 'app', directory: SANDBOXES },
      },
    },
  })
  const commands: string[] = []
  const clients = new Map<SiteName, HostsClient>()
  for (const site of [A, B]) {
    const client = openHosts(siteNamed(site), {
      ssh(access) {
        const runner = runners.get('one') ?? sshRunner(access)
        runners.set('one', runner)
        return runner
      },
      credential: async (reference) =>
        'env' in reference && reference.env === 'KEY' ? machine.privateKey : machine.knownHosts,
    })
    if (client === null) throw new Error('no hosts')
    clients.set(site, {
      ...client,
      run(name, command, how) {
        commands.push(command)
        return client.run(name, command, how)
      },
    })
  }
  const stack: Stack = { ...toyStack, name: 'shop', sites: [siteNamed(A), siteNamed(B)] }
  const clock = {
    now: () => new Date(),
    sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
  }
  const warnings: string[] = []
  const context = {
    stack,
    clock,
    log: { info: () => undefined, debug: () => undefined, warning: (text: string) => void warnings.push(text) },
    signal: new AbortController().signal,
    platform: (_key: unknown, site: SiteName) => clients.get(site),
    credential: async (reference: { readonly env: string }) =>
      reference.env === 'SHA256'
        ? createHash('sha256').update(CANARY).digest('hex')
        : `the "${reference.env}" \\ of it`,
    sql: async () => [['instance-1']],
    once: onceByKey(),
  } as unknown as DriverContext

  const performerOf = (
    component: Application,
    step: DriverStep,
    intent: Intent,
    signal: AbortSignal,
  ): StepPerformer => {
    const action = systemd.actions.find(({ name }) => name === step.action)
    if (action === undefined) throw new Error(`no action ${step.action}`)
    return stepPerformer(
      action.behaviour as never,
      {
        step: { ...step, id: idOfStep(component, step) } as never,
        component: component as never,
        site: step.site,
        intent,
        context,
        signal,
        begunAt: clock.now().toISOString(),
        applied: false,
        pastReturn: false,
        proofOf: () => null,
      },
      { clock, signal, deadline: deadlineAfter(60_000), waiting: () => undefined, assertOurs: async () => undefined },
    )
  }
  return {
    machine,
    context,
    warnings,
    commands,
    component: (more) => ({ name: 'application', driver: 'systemd', needs: [], spec: { units: {}, ...more } }),
    unit(name, command, how = []) {
      const lines = ['[Service]', `ExecStart=${command}`, ...how, '[Install]', 'WantedBy=multi-user.target']
      machine.root(
        `cat >/etc/systemd/system/${name}.service <<'END'\n${lines.join('\n')}\nEND\nsystemctl daemon-reload`,
      )
    },
    async observe(component, site) {
      for (let tries = 1; ; tries++) {
        const seen = await observeUnits(component, site, context)
        if ((seen.kind === 'answering' && isWhole(seen.state)) || tries === 10) return seen
      }
    },
    async perform(component, step, intent) {
      const performer = performerOf(component, step, intent, AbortSignal.timeout(90_000))
      return (await performed(performer)).proof
    },
    async takeBack(component, step, intent) {
      const performer = performerOf(component, step, intent, AbortSignal.timeout(90_000))
      await performer.takeBack().finally(() => performer.close())
    },
    property: (unit, property) => machine.root(`systemctl show --property=${property} --value ${unit}`).trim(),
    async stop() {
      await Promise.all([...runners.values()].map((runner) => runner.close()))
      await machine.stop()
    },
  }
}

/** An application as a program for node: a page of health, and Infisical's two answers about a canary. */
export const PROGRAM = `
import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
createServer((request, response) => {
  let body = ''
  request.on('data', (part) => { body += part })
  request.on('end', () => {
    const answer = (status, said) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said))
    if (request.url === '/api/status') return answer(Number(process.env.STATUS ?? readFileSync('/tmp/app.status', 'utf8')), { version: 'v1.2.3' })
    if (request.url.endsWith('/login')) {
      const { clientId, clientSecret } = JSON.parse(body)
      return clientId === 'the "ID" \\\\ of it' && clientSecret === 'the "SECRET" \\\\ of it' ? answer(200, { accessToken: 'token' }) : answer(401, {})
    }
    if (request.headers.authorization !== 'Bearer token') return answer(403, {})
    answer(200, { secret: { secretValue: ${JSON.stringify(CANARY)} } })
  })
}).listen(8080, '127.0.0.1')
`

/** Whether all that was asked was answered: on a busy machine a part of an observation runs out of its time. */
const isWhole = ({ canary, hosts }: SystemdState): boolean =>
  canary?.is !== 'unknown' &&
  Object.values(hosts).every((host) => host.is === 'answering' && host.secrets.is === 'read')
