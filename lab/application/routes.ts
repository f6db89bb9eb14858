import { type Call, notFound } from './answer.ts'
import type { AuditQueue } from './audit-queue.ts'
import { bootstrap } from './bootstrap.ts'
import type { Configuration } from './configuration.ts'
import type { Database } from './database.ts'
import { attachUniversalAuth, authenticate, createClientSecret, logIn } from './identities.ts'
import { readInstance } from './instance.ts'
import { createProject, type Keys } from './projects.ts'
import {
  createSecret,
  deleteSecret,
  listSecrets,
  readSecret,
  type SecretsRequest,
  updateSecret,
  type Written,
} from './secrets.ts'

export interface Services {
  readonly configuration: Configuration
  readonly database: Database
  readonly queue: AuditQueue
  readonly keys: Keys
}

type Handler = (call: Call, services: Services) => Promise<object> | object

interface Route {
  readonly method: string
  readonly path: RegExp
  readonly handler: Handler
}

/** `/a/:name` as an expression with named groups. */
function route(method: string, path: string, handler: Handler): Route {
  return { method, path: new RegExp(`^${path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`), handler }
}

const STATUS_PATH = '/api/status'

const routes: readonly Route[] = [
  route('GET', STATUS_PATH, status),
  route('GET', '/api/v1/admin/config', adminConfig),
  route('POST', '/api/v1/admin/bootstrap', (call, { database, configuration }) =>
    bootstrap(call, database, configuration.authSecret),
  ),
  route('POST', '/api/v1/auth/universal-auth/login', (call, { database, configuration }) =>
    logIn(call, database, configuration.authSecret),
  ),
  route('POST', '/api/v1/auth/universal-auth/identities/:identityId', async (call, services) =>
    attachUniversalAuth(call, services.database, await actorOf(call, services)),
  ),
  route('POST', '/api/v1/auth/universal-auth/identities/:identityId/client-secrets', async (call, services) =>
    createClientSecret(call, services.database, await actorOf(call, services)),
  ),
  route('POST', '/api/v1/projects', async (call, services) =>
    createProject(call, services.database, await actorOf(call, services), services.keys),
  ),
  ...['/api/v4/secrets', '/api/v3/secrets/raw'].flatMap((prefix) => [
    route('GET', prefix, reading(listSecrets)),
    route('GET', `${prefix}/:name`, reading(readSecret)),
    route('POST', `${prefix}/:name`, writing(createSecret)),
    route('PATCH', `${prefix}/:name`, writing(updateSecret)),
    route('DELETE', `${prefix}/:name`, writing(deleteSecret)),
  ]),
]

/** The answer to a call; an instance without the mode `api` answers its status and nothing else. */
export async function answerCall(call: Call, services: Services): Promise<object> {
  const served = services.configuration.runModes.has('api')
    ? routes
    : routes.filter(({ handler }) => handler === status)
  for (const { method, path, handler } of served) {
    const match = method === call.method ? path.exec(call.path) : null
    if (match === null) continue
    const parameters = Object.fromEntries(
      Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]),
    )
    return handler({ ...call, parameters }, services)
  }
  throw notFound(`Route ${call.method}:${call.path} not found`)
}

/** Upstream's trap, kept: green as soon as the process listens, whatever the database and Redis do. */
function status(_call: Call, { configuration }: Services): object {
  return {
    date: new Date().toISOString(),
    message: 'Ok',
    emailConfigured: false,
    inviteOnlySignup: false,
    redisConfigured: configuration.redisUrl !== '',
    secretScanningConfigured: configuration.runModes.has('secret-scanning'),
  }
}

async function adminConfig(_call: Call, { database }: Services): Promise<object> {
  const instance = await readInstance(database)
  return {
    config: { ...instance, isMigrationModeOn: false, isSecretScanningDisabled: false, defaultAuthOrgSlug: null },
  }
}

const actorOf = (call: Call, { database, configuration }: Services) =>
  authenticate(call, database, configuration.authSecret)

async function secretsRequest(call: Call, services: Services): Promise<SecretsRequest> {
  return { call, database: services.database, keys: services.keys, actor: await actorOf(call, services) }
}

function reading(work: (request: SecretsRequest) => Promise<object>): Handler {
  return async (call, services) => work(await secretsRequest(call, services))
}

/** A write that is committed is answered as such: the audit event comes after it and cannot undo it. */
function writing(work: (request: SecretsRequest) => Promise<Written>): Handler {
  return async (call, services) => {
    const request = await secretsRequest(call, services)
    const { answer, eventType, projectId, eventMetadata } = await work(request)
    const { identityId, identityName, orgId } = request.actor
    await services.queue.push({
      actor: 'identity',
      actorMetadata: { identityId, name: identityName },
      ipAddress: call.request.socket.remoteAddress ?? null,
      eventType,
      eventMetadata,
      orgId,
      projectId,
    })
    return answer
  }
}
