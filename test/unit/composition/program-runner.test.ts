import { expect, test } from '@jest/globals'
import { programRunner } from '../../../src/composition/program-runner.ts'
import { masking } from '../../../src/runtime/masking.ts'

const secrets = masking()
secrets.add('hunter2')

test.each([
  ['program', 'password ***\n'],
  ['helm', 'password hunter2\n'],
] as const)(
  'a %s that people watch is logged line by line and masked; what helm renders comes back as it is',
  async (purpose, stdout) => {
    const lines: string[] = []
    const log = { info: (line: string) => void lines.push(line), warning: () => undefined, debug: () => undefined }
    const run = programRunner(log, secrets, new AbortController().signal)
    const script = ['-c', 'echo password hunter2']
    const quiet = await run('/bin/sh', script, { deadline: 10_000, purpose }, 'outside-sites')
    expect(lines).toEqual([])
    expect(await run('/bin/sh', script, { deadline: 10_000, purpose, live: true }, 'outside-sites')).toEqual(quiet)
    expect(lines).toEqual(['sh: password ***'])
    expect(quiet.stdout).toBe(stdout)
  },
)

test('a program that is late says its last words without secrets: they end in the journal of the run', async () => {
  const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  const run = programRunner(log, secrets, new AbortController().signal)
  const script = ['-c', 'echo password hunter2 >&2; exec sleep 60', 'hunter2']
  const late = run('/bin/sh', script, { deadline: 500 }, 'outside-sites')
  await expect(late).rejects.toMatchObject({
    code: 'process-timeout',
    message: expect.stringMatching(/password \*\*\*.*last words: password \*\*\*$/),
  })
})
