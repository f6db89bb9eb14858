import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { maskSecrets, runProcess } from '../../../src/clients/process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const node = process.execPath
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
const untilGone = async (pid: number): Promise<boolean> => {
  for (let tries = 0; tries < 200 && isAlive(pid); tries++) await new Promise((resolve) => setTimeout(resolve, 50))
  return !isAlive(pid)
}
const untilWritten = async (path: string): Promise<void> => {
  for (let tries = 0; tries < 200 && !(existsSync(path) && statSync(path).size > 0); tries++)
    await new Promise((resolve) => setTimeout(resolve, 50))
}

/**
 * Starts a program in a process group of its own, with the same pipes, and leaves it. Without `setsid`, which macOS
 * lacks.
 */
const DAEMON =
  "const child = require('child_process').spawn('sleep', ['60'], { detached: true, stdio: 'inherit' }); console.log(child.pid); child.unref()"

describe('a program that is run', () => {
  test('returns exit code, output and errors; input arrives; nothing is interpreted by a shell', async () => {
    const script =
      'process.stdin.on("data", d => process.stdout.write(d)).on("end", () => { console.error(process.argv[1]); process.exitCode = 3 })'
    const result = await runProcess(node, ['-e', script, '--', '$(id); *'], { deadline: 10_000, input: 'héllo' })
    expect(result).toEqual({ code: 3, stdout: 'héllo', stderr: '$(id); *\n', truncated: false })
  })

  test('that people watch is heard line by line while it runs, whatever its chunks', async () => {
    const script =
      'printf "one\\ntw"; sleep 0.3; printf "o\\r\\n\\nthree\\rfour" ; echo five >&2; printf "h\\303"; sleep 0.1; printf "\\251"'
    const heard: { readonly line: string; readonly ended: boolean }[] = []
    let ended = false
    const live = (line: string): unknown => heard.push({ line, ended })
    const { stdout } = await runProcess('bash', ['-c', script], { deadline: 10_000, live })
    ended = true
    expect(stdout).toBe('one\ntwo\r\n\nthree\rfourhé')
    expect(heard.map(({ line }) => line).sort()).toEqual(['five', 'fourhé', 'one', 'three', 'two'])
    expect(heard.every((one) => !one.ended)).toBe(true)
    expect(heard[0]?.line).toBe('one')
  })

  test('gets what was declared for it beside what every program needs', async () => {
    const { stdout } = await runProcess(node, ['-p', 'process.env.EXTRA + Boolean(process.env.PATH)'], {
      deadline: 10_000,
      env: { EXTRA: 'x' },
    })
    expect(stdout).toBe('xtrue\n')
  })

  test('is ended at its deadline with everything that it started, even when it ignores SIGTERM', async () => {
    const script = 'trap "" TERM; sleep 60 & echo $! >&2; echo working on it >&2; while :; do sleep 0.1; done'
    const began = performance.now()
    const error = await runProcess('bash', ['-c', script, 's3cr3t'], { deadline: 1_500, secrets: ['s3cr3t'] }).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ code: 'process-timeout', mustAct: 'timeout' })
    expect(String(error)).toMatch(/bash -c .* \*\*\* did not end within 1\.5 s; its last words: working on it/s)
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  test('leaves no child process when it is cancelled', async () => {
    const cancel = new AbortController()
    const pidFile = join(temporaryFolder(), 'pid')
    const run = runProcess('bash', ['-c', 'sleep 61 & echo $! > "$0"; wait', pidFile], {
      deadline: 20_000,
      signal: cancel.signal,
    })
    const gone = expect(run).rejects.toThrow('SIGINT came')
    await untilWritten(pidFile)
    cancel.abort(new Error('SIGINT came'))
    await gone
    expect(await untilGone(Number(readFileSync(pidFile, 'utf8')))).toBe(true)
  })

  test('does not hold us up when a daemon that it left keeps its pipes open', async () => {
    const began = performance.now()
    const { code, stdout } = await runProcess(node, ['-e', DAEMON], { deadline: 50_000 })
    expect(code).toBe(0)
    // Less than half of the time that the daemon lives and keeps the pipes, even on a busy machine.
    expect(performance.now() - began).toBeLessThan(25_000)
    process.kill(Number(stdout), 'SIGTERM')
  })

  test('is heard to its last word, however long other work holds up the event loop around its end', async () => {
    const hold = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    // It ends while the output of another one is heard, so that the end of both is known at once: before it is read.
    const late = runProcess('sh', ['-c', 'sleep 0.4; echo said'], { deadline: 10_000 })
    const other = runProcess('sh', ['-c', 'echo now'], {
      deadline: 10_000,
      live: () => {
        hold(800)
        setImmediate(() => hold(600))
      },
    })
    hold(200)
    expect(await late).toMatchObject({ code: 0, stdout: 'said\n' })
    expect(await other).toMatchObject({ code: 0, stdout: 'now\n' })
  })

  test('keeps the tail of an output that is too long, and says that it dropped the head', async () => {
    const { stdout, truncated } = await runProcess(node, ['-e', 'for (let i = 0; i < 100000; i++) console.log(i)'], {
      deadline: 10_000,
      maxOutput: 1_000,
    })
    expect(stdout).toHaveLength(1_000)
    expect(stdout.endsWith('99999\n')).toBe(true)
    expect(truncated).toBe(true)
  })

  test('that is not installed is named, with what to do', async () => {
    await expect(runProcess('no-such-program', [], { deadline: 1_000 })).rejects.toMatchObject({
      code: 'process-not-found',
      message: 'no-such-program was not found',
    })
  })

  test('that does not read its input is judged by its exit code alone', async () => {
    const { code } = await runProcess('true', [], { deadline: 5_000, input: 'x'.repeat(1_000_000) })
    expect(code).toBe(0)
  })

  test('that was killed by a signal counts as a shell counts', async () => {
    const { code } = await runProcess('bash', ['-c', 'kill -KILL $$'], { deadline: 5_000 })
    expect(code).toBe(137)
  })
})

test('each line of a secret is masked, the longest first', () => {
  expect(maskSecrets('key=abcd-1234 part=abcd x=line-two', ['abcd', 'abcd-1234', 'line-one\nline-two'])).toBe(
    'key=*** part=*** x=***',
  )
})
