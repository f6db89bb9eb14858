import type { SiteName } from '../../../domain/stack.ts'
import type { ByHand } from '../../../driver/action.ts'
import { awsS3, quoted } from '../../../driver/manual.ts'
import { atServer } from '../runbook.ts'
import { dumpFolder, dumpsOf, groupSiteOf, type RedisSentinelSpec } from '../spec.ts'
import type { TakeDump } from './parameters.ts'

/** A dump by redis-cli, and its way into the store. */
export const dumpByHand: ByHand<RedisSentinelSpec, TakeDump> = {
  say(component, { site }, around) {
    if (site === null) return null
    const store = around.objectStore(dumpsOf(component).store, site as SiteName)
    const { directory = '/var/tmp' } = dumpsOf(component)
    const { redis } = groupSiteOf(component, site)
    // The last one is a replica, unless Sentinel has moved the master to it.
    const [name = '', { host } = { host: '' }] = Object.entries(redis).at(-1) ?? []
    const file = `${directory}/by-hand.rdb`
    return {
      commands: [
        atServer(component, { kind: 'redis', site, name }, ['--rdb', file]),
        `ssh ${quoted(host)} redis-check-rdb ${file}`,
        `scp ${quoted(host)}:${file} by-hand.rdb`,
        `${awsS3(store, site)} s3 cp by-hand.rdb s3://${store.bucket}/${store.prefix}${dumpFolder(component)}by-hand.rdb`,
      ],
      expect: 'RDB looks OK, and the number of keys. A restore test does not see this dump: it has no description.',
    }
  },
}
