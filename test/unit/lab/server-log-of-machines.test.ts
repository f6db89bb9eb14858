import { expect, test } from '@jest/globals'
import { linesIn } from '../../../lab/machines/server-log.ts'
import { writableSpans } from '../../../lab/matrix/writers.ts'

const at = (time: string): number => Date.parse(`2026-11-30T${time}Z`)

test('when a database took writes is read from the journal of Patroni, also across a power cut', () => {
  const journal = `2026-11-30 12:00:00,100 INFO: trying to bootstrap a new cluster
2026-11-30 12:00:01.000 UTC [10] LOG:  starting PostgreSQL 15.20 (Debian)
2026-11-30 12:00:02.000 UTC [10] LOG:  database system is ready to accept connections
2026-11-30 12:00:03.000 UTC [11] FATAL:  no pg_hba.conf entry
2026-11-30 12:00:04.000 UTC [10] LOG:  received fast shutdown request
2026-11-30 12:00:05.000 UTC [20] LOG:  starting PostgreSQL 15.20 (Debian)
2026-11-30 12:00:06.000 UTC [20] LOG:  database system is ready to accept read-only connections
2026-11-30 12:00:07.000 UTC [20] LOG:  database system is ready to accept connections
2026-11-30 12:00:08.500 UTC [21] LOG:  checkpoint complete
2026-11-30 12:01:00.000 UTC [30] LOG:  starting PostgreSQL 15.20 (Debian)
2026-11-30 12:01:01.000 UTC [30] LOG:  database system is ready to accept read-only connections
`
  expect(writableSpans('dc-a', linesIn(journal), null)).toEqual([
    { site: 'dc-a', from: at('12:00:02'), to: at('12:00:04') },
    { site: 'dc-a', from: at('12:00:07'), to: at('12:00:08.500') },
  ])
})
