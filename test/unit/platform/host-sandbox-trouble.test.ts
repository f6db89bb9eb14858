import { describe, expect, test } from '@jest/globals'
import type { SshResult } from '../../../src/clients/ssh.ts'
import type { Sandbox } from '../../../src/domain/restore-test.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { HostsClient } from '../../../src/platform/hosts/client.ts'
import { openHostSandbox } from '../../../src/platform/hosts/sandbox.ts'
import { minutes, seconds } from '../../../src/values/duration.ts'
import { toyStack } from '../../support/toy-stack.ts'

const SITE = 'dc-a' as SiteName
const sandbox: Sandbox = {
  id: 't1',
  site: SITE,
  namespace: 'standby-restore-shop',
  labels: {},
  deadline: minutes(10),
  endpointOf: () => null,
}

/** A sandbox on a machine that answers each script as `answer` says; each look takes ten seconds of its clock. */
function opened(answer: (script: string) => Partial<SshResult>) {
  let now = 0
  const hosts = {
    run: async (_machine: string, script: string): Promise<SshResult> => {
      now += seconds(10)
      return { code: 0, stdout: '', stderr: '', ...answer(script) }
    },
  } as unknown as HostsClient
  const declared = { ssh: {}, machines: { 'db-2': {} }, sandbox: { machine: 'db-2', directory: '/var/lib/standby' } }
  return openHostSandbox(sandbox, {
    stack: { ...toyStack, name: 'shop', sites: [{ name: SITE, platforms: { hosts: declared as never } }] },
    platform: <Client>() => hosts as Client,
    clock: { now: () => new Date(now), sleep: async () => undefined },
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    signal: new AbortController().signal,
  })
}

describe('a program in the sandbox of a host', () => {
  test('that systemd cannot end is waited for no longer than a minute after its time', async () => {
    let looks = 0
    const box = await opened((script) => {
      if (!script.includes('tries=')) return {}
      if (++looks > 50) throw new Error('the wait has no end')
      return { stdout: '0 loaded timeout 0 0\n\n' }
    })
    await expect(box.run(['/bin/sleep', '1'], { within: seconds(30) })).rejects.toMatchObject({
      code: 'sandbox-stuck',
      message: expect.stringContaining('/bin/sleep could not be ended'),
    })
    expect(looks).toBeLessThan(15)
  })

  test('does not begin where its input was not kept whole', async () => {
    const scripts: string[] = []
    const box = await opened((script) => {
      scripts.push(script)
      return /cat >\S+[.]in/.test(script) ? { code: 1, stderr: 'cat: write error: No space left on device' } : {}
    })
    await expect(box.put('dump.sql', 'SELECT 1')).rejects.toMatchObject({
      code: 'sandbox-stuck',
      message: expect.stringContaining('No space left on device'),
    })
    expect(
      scripts.filter((script) => script.includes('systemd-run --quiet --description') && script.includes('/bin/sh')),
    ).toEqual([])
  })
})
