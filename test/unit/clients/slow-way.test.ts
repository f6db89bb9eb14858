import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { openObjectStore } from '../../../src/clients/object-store.ts'
import { overWay } from '../../../src/clients/patience.ts'
import { type MeasuredWay, measuredWay } from '../../../src/clients/round-trip.ts'
import { type SshRunner, sshRunner } from '../../../src/clients/ssh.ts'
import { withinDeadline } from '../../../src/clients/within-deadline.ts'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { eventually } from '../../support/eventually.ts'
import { kubeconfigOf } from '../../support/kubeconfig.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/** Round trips; a busy machine would measure others. */
const [NEAR, FAR] = [5, 1_500]
/** As the client measures it once its answer is late. */
const way = (roundTrip: number | null): MeasuredWay => ({
  roundTrip,
  asking: () => ({ end: () => undefined }),
  settled: async () => undefined,
})

/** Answers everything, each time after so long. */
const LATE = 900
const server = createServer((_, response) => {
  setTimeout(
    () =>
      response.writeHead(200, { etag: '"1"' }).end(JSON.stringify({ metadata: { uid: 'u' }, gitVersion: 'v1.34.4' })),
    LATE,
  )
})
let url = ''
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const SHORT = 300
const signal = new AbortController().signal

describe('a call whose deadline is meant for a short way', () => {
  test('ends at its deadline where the way is short, and is waited for over a long one: an API server', async () => {
    const client = openKubernetes({
      site: 'dc-a',
      kubeconfig: kubeconfigOf({ url, cluster: 'insecure-skip-tls-verify: true' }),
      signal,
    })
    const ref = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespace: 'a', name: 'a' }
    // Each new connection would measure it anew.
    let roundTrip = NEAR
    const contact = client.contact ?? { roundTrip: null, heardAt: null }
    Object.defineProperty(contact, 'roundTrip', { get: () => roundTrip, set: () => undefined })
    await expect(client.get(ref, { deadline: SHORT })).rejects.toMatchObject({ code: 'site-unreachable' })
    roundTrip = FAR
    expect(await client.get(ref, { deadline: SHORT })).toMatchObject({ metadata: { uid: 'u' } })
  })

  test('ends at its deadline where the way is short, and is waited for over a long one: an object store', async () => {
    const access = { endpoint: url, region: 'r', bucket: 'b', prefix: '', accessKeyId: 'a', secretAccessKey: 's' }
    await expect(openObjectStore(access, way(NEAR)).get('key', { deadline: SHORT })).rejects.toMatchObject({
      code: 'object-store-unreachable',
    })
    expect(await openObjectStore(access, way(FAR)).get('key', { deadline: SHORT })).toMatchObject({ version: '"1"' })
  })

  test('grows with what is learned of the way while it is waited for', async () => {
    const learned: { roundTrip: number | null } = { roundTrip: null }
    setTimeout(() => {
      learned.roundTrip = FAR
    }, SHORT / 2)
    const work = (): Promise<string> => new Promise((done) => setTimeout(done, LATE, 'answered'))
    const late = (waited: number): Error => new Error(`after ${waited} ms`)
    expect(await withinDeadline(() => overWay(learned, SHORT), [], work, late)).toBe('answered')
    await expect(withinDeadline(() => overWay({ roundTrip: NEAR }, SHORT), [], work, late)).rejects.toThrow(
      `after ${SHORT} ms`,
    )
  })
})

describe('the way to an address', () => {
  test('is measured when an answer is late, and not where it came in time; once for all that ask there', async () => {
    const other = createServer()
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
    const at = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    const measured = measuredWay(at, 3_000)
    measured.asking().end()
    await new Promise((done) => setTimeout(done, 600))
    expect(measured.roundTrip).toBeNull()
    const asking = measured.asking()
    await eventually('the way to be measured', async () => measured.roundTrip !== null)
    asking.end()
    expect(measuredWay(`${at}/elsewhere`, 3_000).roundTrip).toBe(measured.roundTrip)
    other.close()
  })
})

describe('a load balancer that is asked by ssh', () => {
  const opened: SshRunner[] = []
  const path = process.env.PATH
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((runner) => runner.close()))
    process.env.PATH = path
  })
  /**
   * In the place of ssh: a login that may take four seconds ends after one; any other one takes as long as it may, and
   * fails. It notes how it was started.
   */
  const open = (roundTrip: number | null): { readonly ssh: SshRunner; readonly started: string } => {
    const folder = temporaryFolder()
    const started = join(folder, 'started')
    const script = `#!/bin/sh
for one in "$@"; do case $one in ConnectTimeout=*) most=\${one#*=};; exit) exit 0;; esac; done
echo "$@" >> ${started}
[ "$most" -ge 4 ] && { sleep 1; echo answered; exit 0; }
sleep "$most"; echo 'ssh: connect to host 127.0.0.1 port 22: Connection timed out' >&2; exit 255
`
    writeFileSync(join(folder, 'ssh'), script)
    chmodSync(join(folder, 'ssh'), 0o755)
    process.env.PATH = `${folder}:${path}`
    const ssh = sshRunner(
      { host: '127.0.0.1', user: 'u', privateKey: 'k\n', knownHosts: 'h\n', connectTimeout: 1_000 },
      way(roundTrip),
    )
    opened.push(ssh)
    return { ssh, started }
  }

  test('is silent after the usual patience where nothing tells that the way is long', async () => {
    const { ssh, started } = open(null)
    await expect(ssh.run('true', '', 60_000)).rejects.toMatchObject({ code: 'ssh-unreachable' })
    expect(readFileSync(started, 'utf8').match(/ConnectTimeout=\d+/g)).toEqual(['ConnectTimeout=1'])
  })

  test('is not given up by ssh itself while TCP makes up for two lost packets in a row, which takes 20 s', async () => {
    const { ssh, started } = open(null)
    await expect(ssh.run('true')).rejects.toMatchObject({ code: 'ssh-unreachable' })
    const argv = readFileSync(started, 'utf8')
    const [interval, count] = ['ServerAliveInterval', 'ServerAliveCountMax'].map((name) =>
      Number(argv.split(`${name}=`)[1]?.split(' ')[0]),
    )
    expect((interval ?? 0) * (count ?? 0)).toBeGreaterThan(20)
  })

  test('gets the time that a login takes over a way that is known to be long', async () => {
    expect(await open(FAR).ssh.run('true', '', SHORT)).toMatchObject({ code: 0, stdout: 'answered\n' })
  }, 20_000)

  /** A way that proves long while an answer is waited for. */
  const learning = (): MeasuredWay => {
    const learned: { roundTrip: number | null } = { roundTrip: null }
    return {
      get roundTrip() {
        return learned.roundTrip
      },
      asking: () => ({ end: () => undefined }),
      async settled() {
        learned.roundTrip = FAR
      },
    }
  }

  test('is asked once more where its way proves long only while it is waited for', async () => {
    const { ssh } = open(null)
    await ssh.close()
    opened.length = 0
    const late = learning()
    const again = sshRunner(
      { host: '127.0.0.1', user: 'u', privateKey: 'k\n', knownHosts: 'h\n', connectTimeout: 1_000 },
      late,
    )
    opened.push(again)
    expect(await again.run('true', '', 60_000)).toMatchObject({ code: 0, stdout: 'answered\n' })
  }, 20_000)

  test('is not sent a command twice where the connection is cut amid the first one', async () => {
    const folder = temporaryFolder()
    const sent = join(folder, 'sent')
    writeFileSync(
      join(folder, 'ssh'),
      `#!/bin/sh
for one in "$@"; do case $one in exit) exit 0;; esac; done
echo sent >> ${sent}
echo 'client_loop: send disconnect: Broken pipe' >&2
echo 'Connection to 127.0.0.1 closed by remote host.' >&2
exit 255
`,
      { mode: 0o755 },
    )
    process.env.PATH = `${folder}:${path}`
    const ssh = sshRunner({ host: '127.0.0.1', user: 'u', privateKey: 'k\n', knownHosts: 'h\n' }, learning())
    opened.push(ssh)
    await expect(ssh.run('shut')).rejects.toMatchObject({ code: 'ssh-unreachable', retry: 'transient' })
    expect(readFileSync(sent, 'utf8')).toBe('sent\n')
  })
})
