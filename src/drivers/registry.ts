import type { Driver } from '../driver/capabilities.ts'
import type { WitnessManual } from '../driver/manual.ts'
import { WITNESS_ACCESS_KEY_ID, WITNESS_SECRET_ACCESS_KEY, WITNESS_TOKEN } from '../guard/names.ts'
import type { WitnessKinds } from '../stack/schema.ts'
import { manualConsulWitness } from '../systems/consul/witness-by-hand.ts'
import type { JsonObject } from '../values/json.ts'
import type { ConditionalStore, ConditionalStoreContext } from '../witness/conditional-store.ts'
import { agentOfItsOwn, type ConsulWitnessSpec, consulWitnessSchema, kvClaim } from '../witness/consul/spec.ts'
import { openConsulStore } from '../witness/consul/store.ts'
import { certificatesOf, type DeclaredEndpoint, endpointProblems } from '../witness/declared-endpoint.ts'
import { type DeclaredPlace, placeClaim } from '../witness/s3/bucket-identity.ts'
import { s3WitnessSchema } from '../witness/s3/spec.ts'
import { openS3Store } from '../witness/s3/store.ts'
import { ansible } from './ansible/driver.ts'
import { cloudNativePg } from './cloudnative-pg/driver.ts'
import { command } from './command/driver.ts'
import { consul } from './consul/driver.ts'
import { guard } from './guard/driver.ts'
import { haproxy } from './haproxy/driver.ts'
import { helmRelease } from './helm-release/driver.ts'
import { nginx } from './nginx/driver.ts'
import { patroni } from './patroni/driver.ts'
import { postgres } from './postgres/driver.ts'
import { redis } from './redis/driver.ts'
import { redisSentinel } from './redis-sentinel/driver.ts'
import { s3 } from './s3/driver.ts'
import { manualWitness } from './s3/runbook.ts'
import { systemd } from './systemd/driver.ts'
import { webhook } from './webhook/driver.ts'

/** The one place that names drivers. Each was checked against its own schema before its `spec` reaches it. */
export const drivers: Readonly<Record<string, Driver>> = Object.fromEntries(
  (
    [
      ansible,
      cloudNativePg,
      command,
      consul,
      guard,
      haproxy,
      helmRelease,
      nginx,
      patroni,
      postgres,
      redis,
      redisSentinel,
      s3,
      systemd,
      webhook,
    ] as unknown as Driver[]
  ).map((driver) => [driver.kind, driver]),
)

/** The storages that can be a witness. */
export const conditionalStores: Readonly<
  Record<string, (spec: JsonObject, context: ConditionalStoreContext) => Promise<ConditionalStore>>
> = {
  s3: (spec, context) => openS3Store(spec as unknown as Parameters<typeof openS3Store>[0], context),
  consul: (spec, context) => openConsulStore(spec as unknown as ConsulWitnessSpec, context),
}
const reachedByUrl: Pick<WitnessKinds[string], 'files' | 'validate'> = {
  files: (spec) => certificatesOf(spec as unknown as DeclaredEndpoint),
  validate: (spec) => endpointProblems(spec as unknown as DeclaredEndpoint, []),
}
export const witnesses: WitnessKinds = {
  s3: {
    schema: s3WitnessSchema,
    claims: (spec) => [placeClaim(spec as unknown as DeclaredPlace, ['bucket'])],
    ...reachedByUrl,
  },
  consul: {
    schema: consulWitnessSchema,
    claims: (spec) => [kvClaim(spec as unknown as ConsulWitnessSpec, ['prefix'])],
    ...reachedByUrl,
    validate: (spec) => {
      const declared = spec as unknown as ConsulWitnessSpec
      return [...endpointProblems(declared, []), ...agentOfItsOwn(declared)]
    },
  },
}

/** What a guard declares in place of the credentials of others: it finds its own in its environment. */
export const guardCredentials: Readonly<Record<string, JsonObject>> = {
  s3: {
    credentials: { accessKeyId: { env: WITNESS_ACCESS_KEY_ID }, secretAccessKey: { env: WITNESS_SECRET_ACCESS_KEY } },
  },
  consul: { token: { env: WITNESS_TOKEN } },
}

/** How each kind of witness is used by hand. */
export const manualWitnesses: Readonly<Record<string, (spec: JsonObject) => WitnessManual>> = {
  s3: (spec) => manualWitness(spec as unknown as Parameters<typeof manualWitness>[0]),
  consul: (spec) => manualConsulWitness(spec as unknown as ConsulWitnessSpec),
}
