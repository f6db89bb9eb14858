import { type Contact, LOGIN } from '../../clients/patience.ts'
import type { Site } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import type { Unseen } from '../../errors/unseen.ts'
import type { Milliseconds } from '../../values/duration.ts'
import { leastDead } from '../least-dead.ts'
import type { Identified, PlatformView, Reached } from '../platform.ts'
import { HOSTS, type HostsClient } from './client.ts'

/** The hosts of a site: who each says that it is. Contacts nothing yet. */
export function reachHosts(site: Site, context: DriverContext): Reached {
  const hosts = context.platform(HOSTS, site.name)
  const names = Object.keys(hosts.machines)
  const seen = new Map<string, Seen>()
  const contact: Contact = {
    get roundTrip() {
      return hosts.way.roundTrip
    },
    heardAt: null,
  }
  const soFar = (latency: Milliseconds): PlatformView =>
    viewOf(
      names.map((name) => [name, seen.get(name) ?? LATE]),
      latency,
    )
  return {
    contact,
    trips: LOGIN,
    signIn: async () => undefined,
    async look(signal, answered) {
      const begun = performance.now()
      let first: Milliseconds | null = null
      const sinceBegin = (): Milliseconds => Math.round(performance.now() - begun)
      // One that is late is not known to be silent, so all are waited for: until the observation calls it late.
      const late = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      const asked = names.map(async (name) => {
        const one = await ask(hosts, name, signal)
        if (signal.aborted) return
        seen.set(name, one)
        if (one.is === 'silent') return
        contact.heardAt = performance.now()
        first ??= sinceBegin()
        if (one.is === 'answering') answered?.()
      })
      await Promise.race([Promise.all(asked), late])
      // Nothing at all was heard: the observation says for how long.
      if (seen.size === 0) signal.throwIfAborted()
      return soFar(first ?? sinceBegin())
    },
    identify: (signal) => identify(hosts, signal),
  }
}

/** Asks every machine of the client. One machine that is not the declared one makes all of them another site's. */
async function identify(hosts: HostsClient, signal: AbortSignal): Promise<Identified> {
  const machines = await Promise.all(
    Object.entries(hosts.machines).map(async ([name, { machineId }]) => {
      const found = await hosts.identify(name, signal)
      return { name, found: found.machineId ?? 'without /etc/machine-id', declared: machineId ?? found.machineId }
    }),
  )
  const listed = (of: 'found' | 'declared'): string =>
    machines.map((one) => `${one.name} ${one[of] ?? 'any'}`).join(', ')
  return {
    isDeclared: machines.every(({ found, declared }) => declared === null || found === declared),
    found: `machine ${listed('found')}`,
    declared: `machine ${listed('declared')}`,
  }
}

type Seen =
  | { readonly is: 'answering'; readonly id: string; readonly version: string }
  | { readonly is: 'stranger'; readonly id: string }
  | { readonly is: 'silent'; readonly cause: Unseen; readonly why: string }

const LATE: Seen = { is: 'silent', cause: 'no-answer', why: 'no answer in time' }

/** The view of a site out of what was seen of its hosts. Pure. */
export function viewOf(seen: readonly (readonly [string, Seen])[], latency: Milliseconds): PlatformView {
  const stranger = seen.find(([, one]) => one.is === 'stranger')
  if (stranger?.[1].is === 'stranger') return { kind: 'stranger', identity: `${stranger[0]} ${stranger[1].id}` }
  const answering = seen.flatMap(([, one]) => (one.is === 'answering' ? [one] : []))
  if (answering.length > 0)
    return {
      kind: 'answering',
      identity: answering.map(({ id }) => id).join(','),
      version: [...new Set(answering.map(({ version }) => version))].join(', '),
      latency,
      parts: { ready: answering.length, total: seen.length },
    }
  const silent = seen.flatMap(([name, one]) => (one.is === 'silent' ? [{ name, ...one }] : []))
  return {
    kind: 'silent',
    cause: leastDead(silent.map(({ cause }) => cause)),
    why: silent.map(({ name, why }) => `${name}: ${why}`).join('; '),
    triedFrom: ['this runner'],
  }
}

async function ask(hosts: HostsClient, name: string, signal: AbortSignal): Promise<Seen> {
  const declared = hosts.machines[name]?.machineId
  try {
    const { machineId, system } = await hosts.identify(name, signal)
    if (declared !== undefined && declared !== machineId)
      return { is: 'stranger', id: machineId ?? 'has no /etc/machine-id' }
    return { is: 'answering', id: machineId ?? 'no machine-id', version: system }
  } catch (thrown) {
    const error = asStandbyError(thrown)
    if (error.code === 'ssh-host-key-mismatch') return { is: 'stranger', id: 'shows another host key' }
    const cause = error.unseen ?? (error.code === 'process-timeout' || signal.aborted ? 'no-answer' : 'defect')
    return { is: 'silent', cause, why: error.message }
  }
}
