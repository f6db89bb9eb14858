import { setTimeout as pause } from 'node:timers/promises'
import type { Contact } from '../../clients/patience.ts'
import type { Site } from '../../domain/stack.ts'
import type { FlatContext } from '../../driver/flat/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import type { Unseen } from '../../errors/unseen.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { leastDead } from '../least-dead.ts'
import type { PlatformView, Reached } from '../platform.ts'
import { HOSTS, type HostsClient } from './client.ts'

/** The hosts of a site: who each says that it is. Contacts nothing yet. */
export function reachHosts(site: Site, context: FlatContext): Reached {
  const hosts = context.platform(HOSTS, site.name)
  const contact: Contact = { roundTrip: null, heardAt: null }
  return { contact, signIn: async () => undefined, look: (signal) => lookAt(hosts, contact, signal) }
}

type Seen =
  | { readonly is: 'answering'; readonly id: string; readonly version: string }
  | { readonly is: 'stranger'; readonly id: string }
  | { readonly is: 'silent'; readonly cause: Unseen; readonly why: string }

/** What one host is asked: two lines. */
const WHO = 'cat /etc/machine-id && uname -sr'
/** After the first host has answered: a site is not silent because one of its hosts is. */
const OTHERS_WITHIN: Milliseconds = seconds(1)

/**
 * Asks all hosts side by side. One that is not the declared one makes the site a stranger; of the others, one that
 * answers is enough for the site to answer.
 */
async function lookAt(hosts: HostsClient, contact: Contact, signal: AbortSignal): Promise<PlatformView> {
  const begun = performance.now()
  const names = Object.keys(hosts.machines)
  const seen = new Map<string, Seen>()
  const asked = names.map(async (name) => {
    const one = await ask(hosts, name, signal)
    seen.set(name, one)
    if (one.is !== 'silent') contact.heardAt = performance.now()
    return one
  })
  const first = Promise.race([
    ...asked.map(async (one) => ((await one).is === 'silent' ? new Promise<never>(() => undefined) : one)),
    Promise.all(asked),
  ])
  await first
  const latency = Math.round(performance.now() - begun)
  await Promise.race([Promise.all(asked), pause(OTHERS_WITHIN, undefined, { ref: false })])
  return viewOf(
    names.map((name) => [name, seen.get(name) ?? { is: 'silent', cause: 'no-answer', why: 'no answer in time' }]),
    latency,
  )
}

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
  try {
    const { code, stdout, stderr } = await hosts.run(name, WHO, { signal })
    const [id = '', version = ''] = stdout.trim().split('\n')
    // The host key was checked, and the shell of the host spoke: it lives, whatever it says.
    if (code !== 0) return { is: 'silent', cause: 'api-error', why: `exit ${code}: ${stderr.trim()}` }
    const declared = hosts.machines[name]?.machineId
    return declared !== undefined && declared !== id ? { is: 'stranger', id } : { is: 'answering', id, version }
  } catch (thrown) {
    const error = asStandbyError(thrown)
    if (error.code === 'ssh-host-key-mismatch') return { is: 'stranger', id: 'shows another host key' }
    const cause = error.unseen ?? (error.code === 'process-timeout' || signal.aborted ? 'no-answer' : 'defect')
    return { is: 'silent', cause, why: error.message }
  }
}
