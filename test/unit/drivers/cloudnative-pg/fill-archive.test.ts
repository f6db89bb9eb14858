import { execFile, spawn } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server as Relay, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import {
  fillArchiveStep,
  type Shipped,
  shipBeforeRestart,
  shipReceived,
} from '../../../../src/drivers/cloudnative-pg/move/fill-archive.ts'
import type { ClusterRun } from '../../../../src/drivers/cloudnative-pg/run.ts'
import { holesIn } from '../../../../src/systems/postgres/wal.ts'
import { eventually } from '../../../support/eventually.ts'
import { IDENTITY, IDENTITY_OPTIONS, PROGRAMS } from '../../../support/postgres.ts'
import { freePorts } from '../../../support/server-process.ts'
import { cluster, MB16 } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'
import { planned } from './of-kit.ts'

/** Removed after the servers that live in it. */
const folder = mkdtempSync(join(tmpdir(), 'standby-test-'))
const archive = join(folder, 'archive')

/** A PostgreSQL whose settings come from its files, as an instance manager's do: a restart may change them. */
function server(name: string, port: number) {
  const data = join(folder, name)
  /**
   * Not synchronous: this process is the way between the two. A server that it starts keeps its outputs, so they are no
   * pipes.
   */
  const postgres = (program: string, ...argv: string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = spawn(IDENTITY, [...IDENTITY_OPTIONS, join(PROGRAMS, program), ...argv], { stdio: 'ignore' })
      child.on('error', reject)
      child.on('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`${program} of ${name} left with ${code}`)),
      )
    })
  const psql = (argv: readonly string[], stdin = ''): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = execFile('psql', ['-h', '127.0.0.1', '-p', String(port), ...argv], (error, stdout) =>
        error === null ? resolve(stdout) : reject(error),
      )
      // A psql that finds no server leaves before it reads: its exit code says so.
      child.stdin?.on('error', () => undefined)
      child.stdin?.end(stdin)
    })
  return {
    data,
    postgres,
    psql,
    configure: (settings: readonly string[]) =>
      appendFileSync(
        join(data, 'postgresql.conf'),
        [...settings, `port = ${port}`, `unix_socket_directories = '${folder}'`, ''].join('\n'),
      ),
    sql: async (statement: string): Promise<string> => (await psql(['-U', 'postgres', '-XAtc', statement])).trim(),
    control: (...what: string[]) =>
      postgres('pg_ctl', '-D', data, '-m', 'fast', '-w', '-l', join(folder, `${name}.log`), ...what),
  }
}
type Server = ReturnType<typeof server>

/** The way from the replica to its primary. It can stop within a segment, so that a restart interrupts it. */
let way: Relay
/** How many bytes the way still lets through to the replica; null: all. */
let allowed: number | null = null
/** What a stopped way goes on with once it is free. */
const held = new Set<Socket>()

function openWay(port: number, target: number): Promise<void> {
  way = createServer((replicaSide) => {
    const primarySide = connect(target, '127.0.0.1')
    primarySide.on('data', (chunk: Buffer) => {
      const passes = allowed === null ? chunk : chunk.subarray(0, allowed)
      if (allowed !== null) allowed -= passes.length
      replicaSide.write(passes)
      if (passes.length === chunk.length) return
      primarySide.pause().unshift(chunk.subarray(passes.length))
      held.add(primarySide)
    })
    replicaSide.pipe(primarySide)
    const both = [replicaSide, primarySide]
    for (const one of both)
      one.on('error', () => undefined).on('close', () => both.forEach((other) => void other.destroy()))
  })
  return new Promise((resolve) => way.listen(port, '127.0.0.1', resolve))
}
function freeWay(): void {
  allowed = null
  for (const one of held) one.resume()
  held.clear()
}
/**
 * Restarts the replica while it receives the zeros with which the primary ends a segment early: it never has the end of
 * that segment.
 */
async function restartWithinSegment(): Promise<void> {
  await eventually('a segment of which only the end is missing', async () => {
    allowed = 1024 * 1024
    await eventually('the way to be stopped', async () => held.size > 0)
    // What is through is received and replayed; then nothing moves any more.
    const seen = await settled(() =>
      replica.sql("SELECT pg_last_wal_replay_lsn() - '0/0' || ' ' || (pg_last_wal_receive_lsn() - '0/0')"),
    )
    const [replayed = 0, received = 0] = seen.split(' ').map(Number)
    const interrupted = replayed % MB16 === 0 && received < replayed
    if (!interrupted) freeWay()
    return interrupted
  })
  await replica.control('restart')
  freeWay()
}
/** The answer that comes three times in a row. */
async function settled(ask: () => Promise<string>): Promise<string> {
  const answers: string[] = []
  await eventually('an answer that stays', async () => {
    answers.unshift(await ask())
    return answers[0] === answers[1] && answers[1] === answers[2]
  })
  return answers[0] ?? ''
}
/** Segments in the replica's `pg_wal` that the stream is past, and that have no mark of their own. */
async function unmarked(): Promise<string[]> {
  const last = await replica.sql("SELECT max(regexp_replace(name, '[.].*', '')) FROM pg_ls_archive_statusdir()")
  const marks = readdirSync(join(replica.data, 'pg_wal', 'archive_status')).map((name) => name.split('.')[0])
  return readdirSync(join(replica.data, 'pg_wal')).filter(
    (name) => name.length === 24 && name < last && !marks.includes(name),
  )
}

let primary: Server
let replica: Server
let writing = true
let writer: Promise<void>

beforeAll(async () => {
  chmodSync(folder, 0o777)
  mkdirSync(archive)
  chmodSync(archive, 0o777)
  const [one = 0, other = 0, between = 0] = await freePorts(3)
  primary = server('primary', one)
  replica = server('replica', other)
  await primary.postgres('initdb', '-D', primary.data, '-U', 'postgres', '-A', 'trust', '--no-sync')
  primary.configure(['fsync = off', "wal_keep_size = '1GB'"])
  await primary.control('start')
  await openWay(between, one)
  const options = `-h 127.0.0.1 -p ${between} -U postgres -X stream -c fast`.split(' ')
  await replica.postgres('pg_basebackup', ...options, '-D', replica.data)
  writeFileSync(join(replica.data, 'standby.signal'), '')
  replica.configure([
    'archive_mode = always',
    `archive_command = 'cp %p ${archive}/%f'`,
    `primary_conninfo = 'host=127.0.0.1 port=${between} user=postgres'`,
  ])
  await replica.control('start')
  writer = write()
}, 60_000)
afterAll(async () => {
  writing = false
  await writer
  for (const one of [replica, primary]) await one?.control('stop')
  way?.close()
  rmSync(folder, { recursive: true })
}, 60_000)

/** Segment after segment ends, all the while, wherever the primary just is. */
async function write(): Promise<void> {
  while (writing) {
    await primary
      .sql('CREATE TABLE IF NOT EXISTS users (id int); INSERT INTO users VALUES (1); SELECT pg_switch_wal()')
      .catch(() => null)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const segments = (): string[] =>
  readdirSync(archive)
    .filter((name) => name.length === 24)
    .sort()
const newest = (): Promise<string> => primary.sql('SELECT pg_walfile_name(pg_current_wal_lsn())')
/** The primary went on to another segment, and the replica has replayed what is before it. */
async function moreIsReceived(): Promise<void> {
  const before = await newest()
  await eventually('another segment', async () => (await newest()) > before)
  const lsn = await primary.sql('SELECT pg_current_wal_lsn()')
  await eventually(
    'the replica to replay it',
    async () => (await replica.sql(`SELECT pg_last_wal_replay_lsn() >= '${lsn}'`)) === 't',
  )
}

async function expectOneMoreUnmarked(after: () => Promise<void>): Promise<void> {
  await moreIsReceived()
  const before = await unmarked()
  await after()
  await moreIsReceived()
  expect((await unmarked()).length).toBe(before.length + 1)
}

/** A step on the replica, whose pod is a process of this machine. */
function stepOnReplica(): ClusterRun<Shipped> {
  const database = theDatabase()
  const kubernetes: Partial<KubernetesClient> = {
    site: 'dc-b',
    get: async () => cluster('pg-dc-b', {}, {}) as unknown as KubernetesObject,
    exec: async (_pod, argv, options) => ({
      code: 0,
      stdout: await replica.psql(argv.slice(1), String(options?.stdin)),
      stderr: '',
    }),
  }
  let shipped: Shipped | undefined
  return {
    step: planned(database, fillArchiveStep(database, 'dc-b' as SiteName)),
    component: database,
    site: 'dc-b',
    context: { stack: databaseStack(database), platform: () => kubernetes },
    signal: new AbortController().signal,
    memory: {
      get value() {
        return shipped
      },
      set(value: Shipped) {
        shipped = value
      },
    },
  } as unknown as ClusterRun<Shipped>
}

test('a replica that restarted ahead and is taken back has no hole in its archive, however much comes meanwhile', async () => {
  await eventually('archived segments', async () => segments().length > 1)
  await replica.sql("ALTER SYSTEM SET archive_mode = 'on'")
  await expectOneMoreUnmarked(restartWithinSegment)
  // A demotion that was taken back meanwhile: the primary goes on with a new timeline, whose history the replica
  // receives.
  await primary.control('stop')
  writeFileSync(join(primary.data, 'standby.signal'), '')
  await primary.control('start')
  await primary.sql('SELECT pg_promote()')
  await moreIsReceived()

  await shipBeforeRestart(stepOnReplica())
  await moreIsReceived()
  expect(holesIn([...segments(), await newest()], segments()[0] ?? '', MB16)).not.toEqual([])
  await expectOneMoreUnmarked(restartWithinSegment)
  // By another process than the first half.
  await shipReceived(stepOnReplica())

  writing = false
  await writer
  const last = await primary.sql('SELECT pg_walfile_name(pg_switch_wal())')
  await eventually(
    'the replica to archive it',
    async () => (await replica.sql('SELECT last_archived_wal FROM pg_stat_archiver')) >= last,
  )
  expect(holesIn(segments(), segments()[0] ?? '', MB16)).toEqual([])
  expect(readdirSync(archive)).toContain('00000002.history')
  expect(
    await replica.sql(
      "SELECT current_setting('archive_mode'), count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf' AND name = 'archive_mode'",
    ),
  ).toBe('always|0')
}, 90_000)
