import { describe, expect, test } from '@jest/globals'
import { endOfRecord, shutDownPrimaryIn } from '../../../../src/systems/postgres/shutdown-end.ts'

const control = (state: string, checkpoint = '0/3000148') => `pg_control version number:            1300
Database cluster state:               ${state}
Latest checkpoint location:           ${checkpoint}
Latest checkpoint's REDO location:    ${checkpoint}
Latest checkpoint's TimeLineID:       3
WAL block size:                       8192
Bytes per WAL segment:                16777216
`
const record = (at = '0/03000148', what = 'CHECKPOINT_SHUTDOWN') =>
  `rmgr: XLOG        len (rec/tot):    114/   114, tx:          0, lsn: ${at}, prev 0/030000D0, desc: ${what} redo 0/3000148; tli 3; prev tli 3; fpw true; shutdown\n`

const SIZES = { pageBytes: 8192, segmentBytes: 16 * 1024 * 1024 }

describe('the end of a primary that was shut down in good order', () => {
  test('is the end of its last checkpoint, not the begin of it', () => {
    expect(shutDownPrimaryIn(control('shut down'), record())).toEqual({ timeline: 3, endedAt: 0x30001c0 })
  })

  test.each(['in production', 'shutting down', 'shut down in recovery', 'in archive recovery', 'starting up'])(
    'is not known of a server that is %s',
    (state) => {
      expect(shutDownPrimaryIn(control(state), record())).toBeNull()
    },
  )

  test('is not known where the record at that place is another one, or none', () => {
    expect(shutDownPrimaryIn(control('shut down'), record('0/030001C0'))).toBeNull()
    expect(shutDownPrimaryIn(control('shut down'), record('0/03000148', 'CHECKPOINT_ONLINE'))).toBeNull()
    expect(shutDownPrimaryIn(control('shut down'), '')).toBeNull()
    expect(shutDownPrimaryIn('', record())).toBeNull()
  })

  test('counts the header of the next page where the record goes on there, and the longer one of a segment', () => {
    expect(endOfRecord(0x3001f88, 114, SIZES)).toBe(0x3002000)
    expect(endOfRecord(0x3001f90, 114, SIZES)).toBe(0x3002000 + 24 + 8)
    expect(endOfRecord(0x3fffff0, 114, SIZES)).toBe(0x4000000 + 40 + 104)
  })
})
