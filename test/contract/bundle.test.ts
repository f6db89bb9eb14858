import { spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { actionStub } from '../../scripts/stubs.ts'

const root = join(import.meta.dirname, '..', '..')
const dist = join(root, 'dist')

test('all that a runner downloads is at most 3 MB', () => {
  const bytes = readdirSync(dist).reduce((sum, name) => sum + statSync(join(dist, name)).size, 0)
  expect(bytes).toBeLessThanOrEqual(3_000_000)
})

test('each action has a stub of a few lines, and the command line can be executed', () => {
  for (const action of ['status', 'deploy', 'failover', 'verify-backup'])
    expect(readFileSync(join(dist, `${action}.js`), 'utf8')).toBe(actionStub(action))
  accessSync(join(dist, 'cli.js'), constants.X_OK)
})

/** A busy machine only adds to a time: the first attempt within the bound ends the test. */
const MOST_ATTEMPTS = 20

/** Prints, where Linux says it, the nanoseconds in which the main thread was ready to run and had no processor. */
const QUEUED = `import { readFileSync } from 'node:fs'
process.on('exit', () => {
  try { process.stderr.write(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) } catch {}
})`

test('the first line of output comes within 300 ms of the start, queues for a processor aside', () => {
  let least = Number.POSITIVE_INFINITY
  for (let attempt = 1; attempt <= MOST_ATTEMPTS && least >= 300; attempt++) {
    const began = performance.now()
    const args = ['--import', `data:text/javascript,${encodeURIComponent(QUEUED)}`, join(dist, 'cli.js'), '--help']
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    const took = performance.now() - began
    expect(stdout).toContain('standby')
    least = Math.min(least, took - Number(stderr) / 1_000_000)
  }
  expect(least).toBeLessThan(300)
})

test('the licence of every package in the bundle comes with it', () => {
  const licenses = readFileSync(join(dist, 'licenses.txt'), 'utf8')
  for (const name of ['@actions/core', '@kubernetes/client-node', 'aws4fetch', 'ws', 'yaml'])
    expect(licenses).toMatch(new RegExp(`^${name} \\d+\\.`, 'm'))
  expect(licenses).not.toContain('brings no text of it')
})
