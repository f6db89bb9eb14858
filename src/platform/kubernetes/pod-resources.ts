import type { JsonObject } from '../../values/json.ts'

/**
 * Sizes of a container, as Kubernetes writes them. A ResourceQuota of requests or limits admits no container without
 * them.
 */
export interface Resources {
  readonly requests?: Readonly<Record<string, string>>
  readonly limits?: Readonly<Record<string, string>>
}

/** For containers that run curl or wait: they need little, regardless of the size of the data. */
export const SMALL: Resources = { requests: { cpu: '10m', memory: '16Mi' }, limits: { cpu: '1', memory: '128Mi' } }

const quantities = (description: string): JsonObject => ({
  description,
  type: 'object',
  propertyNames: { pattern: '^[a-z0-9./-]{1,253}$' },
  additionalProperties: { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$' },
})

export const resourcesSchema = (description: string): JsonObject => ({
  description,
  type: 'object',
  additionalProperties: false,
  properties: {
    requests: quantities('What the node keeps free for it.'),
    limits: quantities('What it may use at most.'),
  },
  examples: [{ requests: { cpu: '100m', memory: '1Gi' }, limits: { cpu: '2', memory: '4Gi' } }],
})

/**
 * The declared sizes over the defaults, one resource after the other; of a resource that is declared once, request and
 * limit are the same. Pure.
 */
export function sized(defaults: Resources, declared: Resources = {}): JsonObject {
  const { requests = {}, limits = {} } = declared
  const own = new Set([...Object.keys(requests), ...Object.keys(limits)])
  const kept = (values: Resources['requests'] = {}) =>
    Object.fromEntries(Object.entries(values).filter(([name]) => !own.has(name)))
  return {
    requests: { ...kept(defaults.requests), ...limits, ...requests },
    limits: { ...kept(defaults.limits), ...requests, ...limits },
  }
}
