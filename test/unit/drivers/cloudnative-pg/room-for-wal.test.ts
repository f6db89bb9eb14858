import { execFileSync } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { lackOfRoom, roomIn } from '../../../../src/drivers/cloudnative-pg/move/room-for-wal.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import { MB16, segmentsOf } from './cluster-states.ts'

const MB = 1024 * 1024
const printed = (data: number, wal: number): string => `Filesystem     1024-blocks    Used Available Capacity Mounted on
/dev/vdb           2031440 1000000 ${String(data / 1024).padStart(9)}      49% /var/lib/postgresql/data
/dev/vdc           2031440 1000000 ${String(wal / 1024).padStart(9)}      49% /var/lib/postgresql/wal
`
const room = (data: number, wal: number) => ({ cluster: 'pg-dc-b', dataBytes: data, walBytes: wal })

describe('the room on the volumes of a database', () => {
  test('is read from what df prints, of the data and of the WAL', () =>
    expect(roomIn('pg-dc-b', printed(500 * MB, 70 * MB))).toEqual(room(500 * MB, 70 * MB)))
  test('is read from the df of this machine', () => {
    const folder = temporaryFolder()
    const found = roomIn('pg-dc-b', execFileSync('df', ['-Pk', folder, folder], { encoding: 'utf8' }))
    expect(found?.walBytes).toBeGreaterThan(0)
    // Others write to this disk between the two lines.
    expect(Math.abs((found?.dataBytes ?? 0) - (found?.walBytes ?? 0))).toBeLessThan(256 * MB)
  })
  test.each([
    ['nothing', ''],
    ['one line', 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vdb 1 1 1 1% /x\n'],
    ['an error', 'df: /x: No such file or directory\n'],
  ])('is unknown where df prints %s', (_, text) => expect(roomIn('pg-dc-b', text)).toBeNull())
})

describe('a move has room', () => {
  test('for four segments on each volume', () => expect(lackOfRoom(room(64 * MB, 64 * MB), 0, MB16)).toBeNull())
  test('for four segments and those that are still to be replayed', () => {
    expect(lackOfRoom(room(96 * MB, 96 * MB), 2, MB16)).toBeNull()
    expect(lackOfRoom(room(96 * MB, 95 * MB), 2, MB16)).toBe(
      'the volume of pg_wal of pg-dc-b has 95 MB left, and a move needs 96 MB',
    )
  })
  test('by the length of its own segments, and the refusal names the volume that lacks it', () => {
    expect(lackOfRoom(room(200 * MB, 1024 * MB), 0, segmentsOf(64))).toBe(
      'the volume of its data of pg-dc-b has 200 MB left, and a move needs 256 MB',
    )
  })
})
