import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { runProcess } from '../../../../src/clients/process.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { stopUnits } from '../../../../src/drivers/systemd/host.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

/** A systemctl that fails for a verb and a unit, and writes down what it was asked to change. */
const systemctl = (log: string, fails: string): string => `#!/bin/sh
case "$*" in
  'show --property=LoadState '*) echo loaded ;;
  'show --property=ActiveState '*) echo active ;;
  show*) echo ;;
  *) echo "$*" >>${log}; case "$*" in ${fails}) exit 1 ;; esac ;;
esac
`

test.each(["'disable '*two", "'stop '*two"])(
  'a unit keeps no other one running, nor itself, where systemd refuses %s',
  async (fails) => {
    const folder = temporaryFolder()
    const log = join(folder, 'log')
    writeFileSync(join(folder, 'systemctl'), systemctl(log, fails), { mode: 0o755 })
    const run = (_machine: string, command: string) =>
      runProcess('sh', ['-c', `PATH=${folder}:$PATH\n${command}`], { deadline: 30_000 })
    const context = { platform: () => ({ run }) } as unknown as DriverContext
    const host = { site: 'dc-a' as SiteName, name: 'app', units: ['one', 'two'] }
    await expect(stopUnits(host, 30_000, { context, signal: AbortSignal.timeout(30_000) })).rejects.toMatchObject({
      code: 'systemd-command-failed',
    })
    const asked = readFileSync(log, 'utf8').split('\n')
    for (const unit of ['one', 'two']) expect(asked).toContain(`stop -- ${unit}`)
  },
)
