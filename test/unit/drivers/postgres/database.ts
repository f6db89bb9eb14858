import type { SiteName, Stack } from '../../../../src/domain/stack.ts'
import type { Assessment } from '../../../../src/driver/assessment.ts'
import type { Database, PostgresSpec } from '../../../../src/drivers/postgres/spec.ts'
import { minutes } from '../../../../src/values/duration.ts'
import { eventually } from '../../../support/eventually.ts'
import type { PostgresPair } from '../../../support/postgres-pair.ts'

export const [DC_A, DC_B] = ['dc-a', 'dc-b'] as SiteName[] as [SiteName, SiteName]
const name = (site: SiteName): { readonly name: SiteName } => ({ name: site })

export const around: Assessment = {
  now: '2026-11-30T08:00:00.000Z',
  objectives: { backupAge: minutes(60), restoreTime: minutes(60) },
  activeSite: DC_A,
  stack: { sites: [name(DC_A), name(DC_B)] } as unknown as Stack,
}

/** The pair as a stack file declares it: each call is its program. */
export function databaseOf(pair: PostgresPair, more: Partial<PostgresSpec> = {}): Database {
  const call = (what: string) => ({ run: [pair.program, what, '{site}', '{port}', '{peerPort}'] })
  return {
    name: 'database',
    driver: 'postgres',
    needs: [],
    spec: {
      database: 'app',
      user: 'standby',
      password: { env: 'DATABASE_PASSWORD' },
      tls: 'off',
      sites: {
        'dc-a': { host: '127.0.0.1', port: pair.servers['dc-a'].port },
        'dc-b': { host: '127.0.0.1', port: pair.servers['dc-b'].port },
      },
      demote: call('demote'),
      promote: 'sql',
      follow: call('follow'),
      rejoin: call('rejoin'),
      timeout: '60s',
      within: '60s',
      ...more,
    },
  }
}

/** What is asked, as soon as it is as it should be. */
export async function eventual<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  let answer = await ask()
  await eventually(
    'the servers to be as they should be',
    async () => {
      if (holds(answer)) return true
      answer = await ask()
      return holds(answer)
    },
    20_000,
  )
  return answer
}
