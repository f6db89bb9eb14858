import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, resolve } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { type ActionName, INPUTS, OUTPUTS } from '../../src/actions/inputs.ts'

const root = resolve(import.meta.dirname, '../..')
const manifests: Record<ActionName, string> = {
  status: 'action.yml',
  deploy: 'actions/deploy/action.yml',
  'verify-backup': 'actions/verify-backup/action.yml',
  failover: 'actions/failover/action.yml',
}

interface Manifest {
  readonly inputs: Record<
    string,
    { readonly description: string; readonly required: boolean; readonly default?: string }
  >
  readonly outputs: Record<string, { readonly description: string }>
  readonly runs: { readonly using: string; readonly main: string }
}
const read = (name: ActionName): Manifest => parse(readFileSync(join(root, manifests[name]), 'utf8')) as Manifest

describe.each(Object.keys(manifests) as ActionName[])('the action %s', (name) => {
  test('has exactly the inputs and outputs that the code reads and writes', () => {
    const manifest = read(name)
    expect(Object.keys(manifest.inputs).sort()).toEqual([...INPUTS[name]].sort())
    expect(Object.keys(manifest.outputs).sort()).toEqual([...OUTPUTS[name]].sort())
  })

  test('says what each input and output is, and runs a committed file on node24', () => {
    const manifest = read(name)
    for (const one of [...Object.values(manifest.inputs), ...Object.values(manifest.outputs)])
      expect(one.description.length).toBeGreaterThan(10)
    expect(manifest.runs.using).toBe('node24')
    expect(normalize(join(dirname(manifests[name]), manifest.runs.main))).toBe(`dist/${name}.js`)
    expect(existsSync(join(root, 'dist', `${name}.js`))).toBe(true)
  })

  test('its README names every input and output', () => {
    const readme = readFileSync(join(root, name === 'status' ? 'docs/status.md' : `actions/${name}/README.md`), 'utf8')
    for (const word of [...INPUTS[name], ...OUTPUTS[name]]) expect(readme).toContain(`\`${word}\``)
  })
})

test('pages name the major version that a release of this version tags', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string }
  const pages = [
    'docs/status.md',
    'actions/deploy/README.md',
    'actions/verify-backup/README.md',
    'actions/failover/README.md',
  ]
  const named = pages.flatMap((page) => [
    ...readFileSync(join(root, page), 'utf8').matchAll(/standby-dr\/standby\S*@v(\d+)/g),
  ])
  expect(named).toHaveLength(pages.length)
  for (const [, major] of named) expect(major).toBe(version.split('.')[0])
})
