import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, jest, test } from '@jest/globals'
import { runCli } from '../support/run-cli.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

jest.setTimeout(60_000)

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js')

describe('a terminal whose reader is gone', () => {
  test.each([
    ['stdout', ['schema'], 0],
    ['stderr', ['--stack', 'none.yaml', 'status'], 2],
  ] as const)('a closed %s changes neither the exit code of %j nor prints a trace', async (closed, args, exit) => {
    const child = spawn(process.execPath, [cli, ...args], { cwd: temporaryFolder(), stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const other = closed === 'stdout' ? child.stderr : child.stdout
    other.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child[closed].destroy()
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    expect(said).not.toContain('EPIPE')
    expect(code).toBe(exit)
  })
})

describe('--json', () => {
  test('prints the error on stdout too, where a program looks for the result', async () => {
    const run = await runCli(['--json', '--stack', 'none.yaml', 'status'])
    expect(run.exitCode).toBe(2)
    expect(JSON.parse(run.stdout)).toEqual({
      schemaVersion: 1,
      error: {
        code: 'stack-not-found',
        mustAct: 'input',
        what: 'the stack file none.yaml cannot be read (ENOENT)',
        where: 'none.yaml',
        next: 'Name it with --stack, or the input `stack`.',
      },
    })
    expect(run.stderr).toContain('standby: stack-not-found')
  })

  test.each([[['--json', 'stauts']], [['--json', 'failover', 'runbook']], [['--json', 'rbac', '--sight', 'dc-a']]])(
    'prints what is wrong with the arguments %j as an error, too',
    async (args) => {
      const run = await runCli(args)
      expect(run.exitCode).toBe(2)
      expect(JSON.parse(run.stdout)).toMatchObject({
        schemaVersion: 1,
        error: { code: 'input-invalid', mustAct: 'input' },
      })
    },
  )

  test('prints the errors of commands that contact nothing', async () => {
    for (const args of [
      ['digest', 'none.json'],
      ['failover', 'runbook', '--plan', 'none.json'],
      ['evidence', 'verify', '--dir', 'none'],
      ['evidence', 'verify', '--dir', temporaryFolder()],
      ['evidence', 'verify', '--dir', join(import.meta.dirname, '..', '..', 'schema')],
    ]) {
      const run = await runCli(['--json', ...args])
      expect(run.exitCode).toBe(2)
      expect(JSON.parse(run.stdout)).toMatchObject({ error: { mustAct: 'input' } })
    }
  })
})
