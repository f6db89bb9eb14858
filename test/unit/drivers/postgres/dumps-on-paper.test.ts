import { describe, expect, test } from '@jest/globals'
import type { ObjectStoreLocation } from '../../../../src/clients/object-store-client.ts'
import type { Component, Stack } from '../../../../src/domain/stack.ts'
import { restoresIn } from '../../../../src/driver/ask.ts'
import type { Driver } from '../../../../src/driver/capabilities.ts'
import type { StoredDump } from '../../../../src/drivers/postgres/backup/catalogue.ts'
import { backupSteps } from '../../../../src/drivers/postgres/backup/dump.ts'
import { listingIn } from '../../../../src/drivers/postgres/backup/dump-listing.ts'
import { currentAt } from '../../../../src/drivers/postgres/backup/judge-dump.ts'
import { postgres } from '../../../../src/drivers/postgres/driver.ts'
import type { Database, DeclaredDumps } from '../../../../src/drivers/postgres/spec.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { DC_A, DC_B } from './database.ts'

const dumps: DeclaredDumps = { store: 'backups', folder: 'postgres', tables: ['orders'], takenOn: { 'dc-a': 'db-1' } }
const database = (declared?: DeclaredDumps): Database => ({
  name: 'database',
  driver: 'postgres',
  needs: [],
  spec: {
    database: 'app',
    user: 'standby',
    password: { env: 'DATABASE_PASSWORD' },
    sites: { 'dc-a': { host: 'a.example.com' }, 'dc-b': { host: 'b.example.com' } },
    promote: 'sql',
    ...(declared === undefined ? {} : { dumps: declared }),
  },
})
const place = (component: Database) => restoresIn(postgres as unknown as Driver, component as unknown as Component)
const hosts = {
  machines: { 'db-1': { address: 'db-1.example.com' } },
  sandbox: { machine: 'db-1', directory: '/var/lib/standby' },
}
const stack: Stack = {
  ...toyStack,
  sites: [
    { name: DC_A, platforms: { hosts } },
    { name: DC_B, platforms: { hosts } },
  ],
}
const problems = (declared: DeclaredDumps, on: Stack = stack): string[] =>
  (
    postgres.validate?.(database(declared), on, (name) => (name === 'backups' ? ({} as ObjectStoreLocation) : null)) ??
    []
  ).map(({ path, severity = 'error' }) => `${path.join('.')} ${severity}`)

describe('dumps of a PostgreSQL that others run', () => {
  test('are restored in the sandbox of hosts; without a declaration nothing is tested', () => {
    expect(place(database(dumps))).toEqual({ platform: 'hosts' })
    expect(place(database())).toBe('nowhere')
  })

  test('are taken where a machine is declared for the site, and by others elsewhere', () => {
    expect(backupSteps(database(dumps), DC_A)).toMatchObject([{ action: 'dump', parameters: { machine: 'db-1' } }])
    expect(backupSteps(database(dumps), DC_B)).toEqual([])
    expect(backupSteps(database(), DC_A)).toEqual([])
  })

  test('are refused with an unknown store or machine, and a site without a sandbox is warned of', () => {
    expect(problems(dumps)).toEqual([])
    expect(problems({ ...dumps, store: 'elsewhere' })).toEqual(['dumps.store error', 'dumps.store error'])
    expect(problems({ ...dumps, takenOn: { 'dc-b': 'db-9' } })).toEqual(['dumps.takenOn.dc-b error'])
    const bare = { ...stack, sites: stack.sites.map((site) => ({ ...site, platforms: {} })) }
    expect(problems({ store: 'backups', folder: 'postgres', tables: ['orders'] }, bare)).toEqual([
      'dumps warning',
      'dumps warning',
    ])
  })

  test('are as old as they say themselves, where they were copied; a time zone makes none older', () => {
    const head = (at: string): string =>
      `;\n; Archive created at ${at} UTC\n;     dbname: app data\n;     TOC Entries: 9\n`
    expect(listingIn(head('2026-11-30 09:00:00'))).toEqual({
      database: 'app data',
      createdAt: '2026-11-30T09:00:00.000Z',
    })
    const stored = { takenAt: '2026-11-30T10:00:00.000Z' } as StoredDump
    expect(currentAt(stored, listingIn(head('2026-11-29 09:00:00')))).toBe('2026-11-29T09:00:00.000Z')
    expect(currentAt(stored, listingIn(head('2026-11-29 22:00:00')))).toBe(stored.takenAt)
    expect(currentAt(stored, listingIn(head('2026-11-30 20:00:00')))).toBe(stored.takenAt)
    expect(currentAt(stored, listingIn('; nothing'))).toBe(stored.takenAt)
  })
})
