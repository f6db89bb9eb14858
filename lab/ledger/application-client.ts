import { type Answer, type HttpConnection, openConnection, type Question } from './http-connection.ts'

/** A machine identity and the folder that it may write. */
export interface Credentials {
  readonly clientId: string
  readonly clientSecret: string
  readonly projectId: string
  readonly environment: string
}

/** The application answered, but not as a question that works is answered. */
export class Refused extends Error {
  readonly status: number

  constructor(question: Question, address: string, answer: Answer) {
    const message = (answer.body as { readonly message?: unknown } | null)?.message ?? 'no message'
    super(
      `application-refused: ${question.method} ${address}${question.path.split('?')[0]} answered ${answer.status}: ${message}`,
    )
    this.status = answer.status
  }
}

const LOGIN_MS = 3_000
const LIST_MS = 60_000
const PROVISION_MS = 15_000

/** The body of a 200; throws `Refused` with the application's own message otherwise. */
async function expectBody<T>(connection: HttpConnection, question: Question): Promise<T> {
  const answer = await connection.ask(question)
  if (answer.status !== 200) throw new Refused(question, connection.address, answer)
  return answer.body as T
}

/** An access token; the application writes it to its database, so a login is a write as well. */
export async function logIn(connection: HttpConnection, { clientId, clientSecret }: Credentials): Promise<string> {
  const path = '/api/v1/auth/universal-auth/login'
  const question: Question = { method: 'POST', path, body: { clientId, clientSecret }, deadlineMs: LOGIN_MS }
  return (await expectBody<{ accessToken: string }>(connection, question)).accessToken
}

/** The question that creates one secret. */
export function createSecretQuestion(
  name: string,
  value: string,
  token: string,
  credentials: Credentials,
  deadlineMs: number,
): Question {
  const { projectId, environment } = credentials
  const body = { projectId, environment, secretPath: '/', secretValue: value }
  return { method: 'POST', path: `/api/v4/secrets/${encodeURIComponent(name)}`, token, body, deadlineMs }
}

/** Creates a secret, or overwrites it; for canaries. */
export async function putSecret(address: string, credentials: Credentials, name: string, value: string): Promise<void> {
  await connected(address, async (connection) => {
    const token = await logIn(connection, credentials)
    const create = createSecretQuestion(name, value, token, credentials, PROVISION_MS)
    const answer = await connection.ask(create)
    if (answer.status === 200) return
    // Answers alike to "exists" and to any other fault: the second question tells them apart.
    await expectBody(connection, { ...create, method: 'PATCH' })
  })
}

/** The value of a secret as the application decrypts it. */
export async function readSecret(address: string, credentials: Credentials, name: string): Promise<string> {
  return connected(address, async (connection) => {
    const token = await logIn(connection, credentials)
    const path = `/api/v4/secrets/${encodeURIComponent(name)}?${folderQuery(credentials)}`
    return (
      await expectBody<{ secret: { secretValue: string } }>(connection, {
        method: 'GET',
        path,
        token,
        deadlineMs: PROVISION_MS,
      })
    ).secret.secretValue
  })
}

/** The names of all secrets that the application serves: what is in the database, seen by a user. */
export async function readAllIds(address: string, credentials: Credentials): Promise<string[]> {
  return connected(address, async (connection) => {
    const token = await logIn(connection, credentials)
    const path = `/api/v4/secrets?${folderQuery(credentials)}&viewSecretValue=false`
    const question: Question = { method: 'GET', path, token, deadlineMs: LIST_MS }
    return (await expectBody<{ secrets: { secretKey: string }[] }>(connection, question)).secrets.map(
      ({ secretKey }) => secretKey,
    )
  })
}

const folderQuery = ({ projectId, environment }: Credentials): string =>
  new URLSearchParams({ projectId, environment, secretPath: '/' }).toString()

export interface Provisioning {
  readonly email: string
  readonly password: string
  readonly organization: string
  readonly project: string
  readonly environment: string
}

export const labProvisioning: Provisioning = {
  email: 'admin@standby.example',
  password: 'standby-lab-administrator',
  organization: 'standby',
  project: 'ledger',
  environment: 'prod',
}

/**
 * Sets an empty instance up: administrator, organization, project and a machine identity. Throws `Refused` (400) on one
 * that is set up.
 */
export async function provisionInstance(
  address: string,
  provisioning: Provisioning = labProvisioning,
): Promise<Credentials> {
  const { email, password, organization, project, environment } = provisioning
  return connected(address, async (connection) => {
    const post = <T>(path: string, body: object, token?: string): Promise<T> =>
      expectBody<T>(connection, {
        method: 'POST',
        path,
        body,
        deadlineMs: PROVISION_MS,
        ...(token === undefined ? {} : { token }),
      })
    const { identity } = await post<{ identity: { id: string; credentials: { token: string } } }>(
      '/api/v1/admin/bootstrap',
      {
        email,
        password,
        organization,
      },
    )
    const { token } = identity.credentials
    const created = await post<{ project: { id: string } }>(
      '/api/v1/projects',
      { projectName: project, type: 'secret-manager' },
      token,
    )
    const identityPath = `/api/v1/auth/universal-auth/identities/${identity.id}`
    const { identityUniversalAuth } = await post<{ identityUniversalAuth: { clientId: string } }>(
      identityPath,
      {},
      token,
    )
    const { clientSecret } = await post<{ clientSecret: string }>(`${identityPath}/client-secrets`, {}, token)
    return { clientId: identityUniversalAuth.clientId, clientSecret, projectId: created.project.id, environment }
  })
}

async function connected<T>(address: string, work: (connection: HttpConnection) => Promise<T>): Promise<T> {
  const connection = openConnection(address)
  try {
    return await work(connection)
  } finally {
    connection.close()
  }
}
