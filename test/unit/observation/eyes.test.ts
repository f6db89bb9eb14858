import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { KubernetesClient } from '../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import { UNSEEN, type Unseen } from '../../../src/errors/unseen.ts'
import type { Observation, SiteView } from '../../../src/observation/observation.ts'
import { observe } from '../../../src/observation/observe.ts'
import { findingsOf } from '../../../src/planning/findings.ts'
import { livenessOf } from '../../../src/planning/liveness.ts'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { selfSigned } from '../../support/certificate.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { kubeconfigOf } from '../../support/kubeconfig.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { toyDriver, toyWorld } from '../../support/toy-stack.ts'

jest.setTimeout(60_000)

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const toy = { writer: 'dc-b' as const, effects: [] }
const SITE = 'dc-a' as SiteName
interface Pair {
  readonly key: string
  readonly cert: string
}
const pairs: Record<string, Pair> = {}
beforeAll(() => {
  pairs.good = selfSigned()
  pairs.other = selfSigned()
  pairs.name = signed('DNS:elsewhere', '20200101000000Z', '20990101000000Z')
  pairs.expired = signed('IP:127.0.0.1', '20200101000000Z', '20200102000000Z')
  pairs.early = signed('IP:127.0.0.1', '20990101000000Z', '20990102000000Z')
})

/**
 * A certificate that signs itself, of a name and a time; only `openssl ca` can tell both ends of the time in all
 * versions.
 */
function signed(name: string, from: string, to: string): Pair {
  const folder = temporaryFolder()
  const [key, request, cert] = [join(folder, 'key.pem'), join(folder, 'request.pem'), join(folder, 'cert.pem')]
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { stdio: 'ignore' })
  writeFileSync(join(folder, 'index.txt'), '')
  writeFileSync(
    join(folder, 'ca.cnf'),
    `[ca]
default_ca = own
[own]
database = ${folder}/index.txt
new_certs_dir = ${folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = ${name}
`,
  )
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-new', ...curve, '-keyout', key, '-out', request, '-subj', '/CN=site')
  const time = ['-startdate', from, '-enddate', to]
  openssl(
    'ca',
    '-batch',
    '-selfsign',
    '-config',
    join(folder, 'ca.cnf'),
    '-keyfile',
    key,
    '-in',
    request,
    '-out',
    cert,
    '-notext',
    ...time,
  )
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
}

async function listening(server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const trusting = (pair: string, url: string, user?: string): string =>
  kubeconfigOf({
    url,
    caData: Buffer.from(pairs[pair]?.cert ?? '').toString('base64'),
    ...(user === undefined ? {} : { user }),
  })

/** An API server over TLS that answers so, and a kubeconfig that trusts it. */
async function answering(answer: RequestListener, user?: string): Promise<string> {
  const port = await listening(createHttpsServer({ ...pairs.good }, answer))
  return trusting('good', `https://127.0.0.1:${port}`, user)
}
const says =
  (status: number, body = '', headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)
const statusOf = (code: number): string =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message: 'no' })
const HTML = '<!DOCTYPE html><html><body>Please log in to the guest network</body></html>'

/** TLS with one certificate, for a client that trusts another one. */
async function showing(shown: string, trusted: string): Promise<string> {
  const port = await listening(createHttpsServer({ ...pairs[shown] }, says(200, '{}')))
  return trusting(trusted, `https://127.0.0.1:${port}`)
}

function loggingIn(script: string): Promise<string> {
  const program = join(temporaryFolder(), 'login')
  writeFileSync(program, `#!/bin/sh\n${script}\n`)
  chmodSync(program, 0o755)
  return answering(says(200, '{}'), `exec: { apiVersion: client.authentication.k8s.io/v1, command: ${program} }`)
}

/** What is met, and the cause that it must be taken for. */
const MET: Readonly<Record<string, readonly [Unseen, () => Promise<string>]>> = {
  'a refused connection': ['refused', async () => trusting('good', 'https://127.0.0.1:1')],
  'a connection that is taken, and nothing said': [
    'no-answer',
    async () => trusting('good', `https://127.0.0.1:${await listening(createTcpServer())}`),
  ],
  'connections that are cut': [
    'cut',
    async () =>
      trusting(
        'good',
        `https://127.0.0.1:${await listening(createTcpServer((socket) => void socket.resetAndDestroy()))}`,
      ),
  ],
  'a trusted server that freezes in its answer': [
    'slow',
    () => answering((_, response) => void response.writeHead(200).write('{"meta')),
  ],
  'a name that does not resolve': ['name-unresolved', async () => trusting('good', 'https://no-such-site.invalid')],
  'a certificate of another authority': ['untrusted', () => showing('other', 'good')],
  'a certificate of another name': ['wrong-name', () => showing('name', 'name')],
  'an expired certificate': ['certificate-expired', () => showing('expired', 'expired')],
  'a certificate of the future': ['certificate-not-yet-valid', () => showing('early', 'early')],
  'plain HTTP on the port of TLS': [
    'not-tls',
    async () => trusting('good', `https://127.0.0.1:${await listening(createHttpServer(says(200, '{}')))}`),
  ],
  'a redirect': ['not-an-api-server', () => answering(says(302, '', { location: 'https://login.example/' }))],
  'a page': ['not-an-api-server', () => answering(says(200, HTML))],
  'a page that says 403': ['not-an-api-server', () => answering(says(403, HTML))],
  'a gateway without servers': ['not-an-api-server', () => answering(says(502, 'bad gateway'))],
  'JSON of something else': ['not-an-api-server', () => answering(says(200, '{"ok":true}'))],
  '401': ['unauthorized', () => answering(says(401, statusOf(401)))],
  '401 without a body': ['unauthorized', () => answering(says(401))],
  '403': ['forbidden', () => answering(says(403, statusOf(403)))],
  '404': ['api-error', () => answering(says(404, statusOf(404)))],
  '429': ['api-error', () => answering(says(429, 'Too many requests, please try again later.'))],
  '500 with a Status': ['api-error', () => answering(says(500, statusOf(500)))],
  'a credential program that is missing': [
    'login-missing',
    () => answering(says(200, '{}'), 'exec: { apiVersion: client.authentication.k8s.io/v1, command: no-such-login }'),
  ],
  'a credential program that fails': [
    'login-failed',
    () => loggingIn('echo "the SSO session has expired" >&2; exit 1'),
  ],
  'a credential program that prints garbage': ['login-unreadable', () => loggingIn('echo "<html>"')],
  'a credential program that prints another kind': [
    'login-unreadable',
    () => loggingIn('echo "{\\"kind\\":\\"List\\"}"'),
  ],
  'a credential program that gives what has expired': [
    'login-unreadable',
    () =>
      loggingIn(`echo '{"kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"2020-01-01T00:00:00Z"}}'`),
  ],
  'a certificate file that is missing': [
    'kubeconfig-unusable',
    async () => kubeconfigOf({ url: 'https://127.0.0.1:1', cluster: 'certificate-authority: /nowhere/ca.crt' }),
  ],
  'a token that no header can hold': ['kubeconfig-unusable', () => answering(says(200, '{}'), 'token: "a\\nb"')],
  'a proxy that refuses': [
    'proxy-failed',
    async () =>
      trusting('good', 'https://10.255.255.1:6443').replace('server:', 'proxy-url: http://127.0.0.1:1\n    server:'),
  ],
}

const alive = { clusterId: async () => 'uid-dc-b', version: async () => 'v1.34', list: async () => [] }
const ACTIVE = { schemaVersion: 1, stack: 'toy', epoch: 1, activeSite: 'dc-b', since: '2026-11-21T06:00:00Z', run: 'r' }

async function seenWith(client: KubernetesClient): Promise<Observation> {
  const world = toyWorld(toy, memoryStore())
  const context = {
    ...world.context,
    platform: (_key: unknown, name: SiteName) => (name === SITE ? client : alive),
  } as unknown as DriverContext
  const seen = await observe(context, memoryStore(), { toy: liftedDriver(toyDriver(toy)) })
  return { ...seen, witness: { kind: 'answering', active: ACTIVE as never, lock: null } }
}
const lookWith = (kubeconfig: string, login?: Record<string, string>): KubernetesClient =>
  openKubernetes({ site: SITE, kubeconfig, login, signal: AbortSignal.timeout(50_000) })

describe('what is met at a site', () => {
  test.each(Object.entries(MET))(
    '%s is recognized, votes by the table, and is reported with its own code',
    async (_, [cause, met]) => {
      const seen = await seenWith(lookWith(await met()))
      const view = seen.sites[SITE] as Extract<SiteView, { kind: 'silent' }>
      expect(view).toMatchObject({ kind: 'silent', cause })
      const { stack } = toyWorld(toy, memoryStore())
      const liveness = livenessOf(stack, seen, {}, SITE)
      expect(liveness.sightings.map(({ says: said }) => said)).toEqual([
        { up: 'up', down: 'down', none: 'unknown' }[UNSEEN[cause].vote],
      ])
      expect(liveness.is).toBe(UNSEEN[cause].vote === 'up' ? 'up' : 'unknown')
      expect(findingsOf(stack, seen, null, {}).find(({ site }) => site === SITE)).toMatchObject({
        code: UNSEEN[cause].code,
        next: UNSEEN[cause].next(SITE),
      })
      expect(JSON.stringify(view)).not.toMatch(/<html|guest network/i)
    },
  )

  test('a fault on our own side never makes it down', () => {
    const down = Object.entries(UNSEEN).flatMap(([cause, { vote }]) => (vote === 'down' ? [cause] : []))
    expect(down).toEqual(['no-answer', 'refused', 'no-such-host'])
  })
})

describe('a credential program', () => {
  const counting = (status: string): { readonly program: string; readonly runs: () => number } => {
    const folder = temporaryFolder()
    const program = join(folder, 'login')
    writeFileSync(
      program,
      `#!/bin/sh\necho run >> ${folder}/runs\nenv > ${folder}/env\necho '{"kind":"ExecCredential","status":${status}}'\n`,
    )
    chmodSync(program, 0o755)
    return { program, runs: () => readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n').length }
  }
  const user = (program: string): string => `exec: { apiVersion: client.authentication.k8s.io/v1, command: ${program} }`

  test('is started once for all requests of an operation', async () => {
    const { program, runs } = counting('{"token":"t1"}')
    const client = lookWith(await answering(says(200, '{"gitVersion":"v1","metadata":{"uid":"u"}}'), user(program)))
    await Promise.all([client.version(), client.clusterId(), client.version()])
    await client.version()
    expect(runs()).toBe(1)
  })

  test('is started once more when the server does not know its token, and not in a loop', async () => {
    const { program, runs } = counting('{"token":"t1"}')
    const client = lookWith(await answering(says(401, statusOf(401)), user(program)))
    for (let tries = 0; tries < 3; tries++)
      await expect(client.version()).rejects.toMatchObject({ code: 'kubernetes-unauthorized' })
    expect(runs()).toBe(2)
  })

  test('that takes longer than an observation makes no site silent', async () => {
    const program = join(temporaryFolder(), 'login')
    writeFileSync(program, `#!/bin/sh\nsleep 4\necho '{"kind":"ExecCredential","status":{"token":"t1"}}'\n`)
    chmodSync(program, 0o755)
    const client = lookWith(
      await answering(says(200, '{"gitVersion":"v1","metadata":{"uid":"uid-dc-a"}}'), user(program)),
    )
    expect((await seenWith(client)).sites[SITE]).toMatchObject({ kind: 'answering' })
  })

  test('gets the values that it may log in with, and nothing else of ours', async () => {
    const { program } = counting('{"token":"t1"}')
    process.env.INPUT_CREDENTIALS = 'hidden'
    const client = lookWith(await answering(says(200, '{"gitVersion":"v1"}'), user(program)), { CLOUD_KEY: 'given' })
    await client.version()
    delete process.env.INPUT_CREDENTIALS
    const env = readFileSync(join(program, '..', 'env'), 'utf8')
    expect(env).toContain('CLOUD_KEY=given')
    expect(env).toContain('KUBERNETES_EXEC_INFO=')
    expect(env).not.toContain('hidden')
  })

  test('is not needed by the kubeconfig that other programs get', async () => {
    const { program } = counting('{"token":"t1"}')
    const written = JSON.parse(
      (await lookWith(await answering(says(200, '{}'), user(program))).kubeconfig?.()) ?? '{}',
    ) as {
      readonly users: readonly { readonly user: object }[]
    }
    expect(written.users[0]?.user).toEqual({ token: 't1' })
  })
})
