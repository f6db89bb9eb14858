import type { ConsulClient } from '../../../clients/consul/client.ts'
import { readConfigEntry } from '../../../clients/consul/config-entries.ts'
import { objectIn, textIn } from '../../../clients/consul/fields.ts'
import { isObject, type JsonObject } from '../../../values/json.ts'
import type { Known, See } from '../known.ts'
import { CLOSED, type Federation, redirectedServices } from '../spec.ts'
import { writeEntry } from '../write-entry.ts'

/** The service-resolver of one service, as a datacenter has it. */
export interface RedirectView {
  /** The datacenter that it leads to, {@link CLOSED}, or null: it leads nowhere else. */
  readonly leads: string | null
  /** 0: there is none. */
  readonly modifyIndex: number
  readonly definition: JsonObject
}

const KIND = 'service-resolver'
/** No service has this name: the mesh finds no instance. */
const NO_SERVICE = 'standby-closed'

/** Where the redirect of a service leads. Throws as the client does. */
export async function readRedirect(client: ConsulClient, service: string): Promise<RedirectView> {
  const entry = await readConfigEntry(client, KIND, service)
  if (entry === null) return { leads: null, modifyIndex: 0, definition: {} }
  const { Redirect } = entry.definition
  return { leads: isObject(Redirect) ? valueIn(Redirect) : null, ...entry }
}

/** The fields of a redirect that lead to a value. Pure. */
export const redirectTo = (value: string): JsonObject =>
  value === CLOSED ? { Service: NO_SERVICE } : { Datacenter: value }

const valueIn = (redirect: JsonObject): string | null =>
  textIn(redirect.Service) === NO_SERVICE ? CLOSED : textIn(redirect.Datacenter) || null

/** The declared redirects as a datacenter has them, by service. */
export async function readRedirects(
  component: Federation,
  client: ConsulClient,
  see: See,
): Promise<Readonly<Record<string, Known<RedirectView>>>> {
  const seen = await Promise.all(
    redirectedServices(component).map(
      async (service) => [service, await see(() => readRedirect(client, service))] as const,
    ),
  )
  return Object.fromEntries(seen)
}

/**
 * Leads a service elsewhere, at the index that was seen; every other field of the entry stays. Throws `consul-failed`
 * (conflict) where another writer was faster.
 */
export async function writeRedirect(
  client: ConsulClient,
  service: string,
  value: string,
  { definition, modifyIndex }: RedirectView,
): Promise<void> {
  const redirect = { ...otherFields(definition.Redirect), ...redirectTo(value) }
  await writeEntry(client, { kind: KIND, name: service }, { ...definition, Redirect: redirect }, modifyIndex)
}

/** Of a redirect that others have written, such as a subset. */
const otherFields = (redirect: unknown): JsonObject => {
  const { Service: _service, Datacenter: _datacenter, ...others } = objectIn(redirect)
  return others
}
