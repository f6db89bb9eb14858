import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { loadStack, parseStack } from '../../../src/stack/load-stack.ts'
import { StackInvalid } from '../../../src/stack/problems.ts'
import { hours, minutes } from '../../../src/values/duration.ts'
import { generateStack } from '../../support/generate-stack.ts'
import { leastProcessorTime } from '../../support/processor-time.ts'
import {
  kinds,
  pathOfStack,
  problemsOf,
  publishedStacks,
  refusalOf,
  replaced,
  textOfStack,
} from '../../support/published-stacks.ts'

const infisical = textOfStack('infisical-kubernetes')

describe('a stack file that is right', () => {
  test.each(publishedStacks)('%s loads as it is published, with all the files that it names', async (name) => {
    const stack = await loadStack(pathOfStack(name), kinds)
    expect(stack.components.map((component) => component.name)).toEqual([
      'archive',
      'database',
      'cache',
      'application',
      'traffic',
      'guard',
    ])
    expect(stack.source.digest).toMatch(/^[0-9a-f]{64}$/)
  })

  test('becomes one value that cannot be changed', async () => {
    const stack = await loadStack(pathOfStack('infisical-kubernetes'), kinds)
    expect(stack).toMatchObject({ name: 'infisical', initialActive: 'dc-a', witness: { driver: 's3' } })
    expect(stack.objectives).toEqual({ backupAge: hours(26), restoreTime: minutes(30) })
    expect(stack.approval).toEqual({
      expiry: hours(2),
      github: { environments: ['production-failover'], branch: 'main', approvers: 1 },
    })
    const unfrozen: unknown[] = []
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      if (!Object.isFrozen(value)) unfrozen.push(value)
      for (const part of Object.values(value)) visit(part)
    }
    visit(stack)
    expect(unfrozen).toEqual([])
  })

  test('lists each component after what it needs, wherever it stands in the file', () => {
    const text = replaced(infisical, '    needs: [application]\n', '')
    const turned = replaced(text, '  archive:\n    driver: s3\n', '  archive:\n    driver: s3\n    needs: [traffic]\n')
    expect(parseStack(turned, 'standby.yaml', kinds).components.map((component) => component.name)).toEqual([
      'traffic',
      'archive',
      'database',
      'cache',
      'application',
      'guard',
    ])
  })

  test('may be large: 50 components on 3 sites load within a second', () => {
    const text = generateStack({ components: 50, sites: 3 })
    const stack = parseStack(text, 'standby.yaml', kinds)
    expect([stack.components.length, stack.sites.length]).toEqual([50, 3])
    expect(leastProcessorTime(() => parseStack(text, 'standby.yaml', kinds), 1_000)).toBeLessThan(1_000)
  })
})

describe('a stack file that is wrong', () => {
  test('gives an error with the place, what is wrong, and what was meant, with the line and a caret', () => {
    const text = replaced(
      infisical,
      'clusterId: 00000000-0000-0000-0000-00000000000a',
      'clusterid: 00000000-0000-0000-0000-00000000000a',
    )
    const line = text.split('\n').findIndex((one) => one.includes('clusterid')) + 1
    expect(refusalOf(text)?.message).toBe(`1 problem in standby.yaml

standby.yaml:${line}:7  sites.dc-a.kubernetes.clusterid: unknown key; did you mean \`clusterId\`?
${String(line).padStart(5)} |       clusterid: …
      |       ^`)
    expect(refusalOf(text)).toMatchObject({ code: 'stack-invalid', mustAct: 'input' })
  })

  test('reports every kind of problem at once, in the order of the file', () => {
    let text = replaced(infisical, 'initialActive: dc-a', 'initialActive: dc-c')
    text = replaced(text, 'backupAge: 26h', 'backupAge: 26 hours')
    text = replaced(text, 'needs: [archive]', 'needs: [archiv]')
    text = replaced(text, 'method: plugin', 'method: plugn')
    text = replaced(text, '        name: pg-dc-a\n', '')
    text = replaced(text, 'nodePort: 30432', 'nodePort: "30432"')
    expect(problemsOf(text).map(({ path, suggestion }) => [path, suggestion])).toEqual([
      ['initialActive', 'dc-a'],
      ['objectives.backupAge', null],
      ['components.database.needs.0', 'archive'],
      ['components.database.archive.method', 'plugin'],
      ['components.database.sites.dc-a', null],
      ['components.database.sites.dc-a.streaming.nodePort', null],
    ])
  })

  const cases: [string, string, string, string, string | null][] = [
    ['an unknown driver', 'driver: redis', 'driver: reddis', 'there is no driver reddis', 'redis'],
    ['an unknown witness', 'witness:\n  driver: s3', 'witness:\n  driver: s4', 'there is no driver s4', 's3'],
    [
      'a driver that is named like a part of JavaScript',
      'driver: redis',
      'driver: constructor',
      'there is no driver constructor',
      null,
    ],
    [
      'an unknown site below a component',
      '      dc-b:\n        name: pg-dc-b',
      '      dc-x:\n        name: pg-dc-b',
      'no site dc-x is declared',
      'dc-b',
    ],
    [
      'a site that a component forgets',
      'backends: { dc-a: dc-a, dc-b: dc-b }',
      'backends: { dc-a: dc-a }',
      'says nothing of the site dc-b',
      null,
    ],
    [
      'an unknown store',
      '      store: archive\n      prefix: redis',
      '      store: archives\n      prefix: redis',
      'no component archives is declared',
      'archive',
    ],
    ['a second component with one name', '  cache:\n', '  database:\n', 'the key database is here twice', null],
    [
      'a number where text belongs',
      '      user: standby',
      '      user: 1000',
      'must be text, is 1000: write it in quotes, "1000"',
      null,
    ],
    [
      'a key without a value',
      '    namespace: infisical\n    database:',
      '    namespace:\n    database:',
      'is empty, must be text',
      null,
    ],
    [
      'a malformed name of an environment variable',
      'env: STANDBY_KUBECONFIG_DC_B',
      'env: standby-kubeconfig',
      'does not have the right form: The name of an environment variable.',
      null,
    ],
    [
      'two forms of one reference',
      '{ env: STANDBY_KUBECONFIG_DC_B }',
      '{ env: STANDBY_KUBECONFIG_DC_B, file: b.conf }',
      'mixes several forms; it must be { env } or { file } or { secret }',
      null,
    ],
    [
      'a typo inside a reference',
      '{ env: STANDBY_KUBECONFIG_DC_B }',
      '{ evn: STANDBY_KUBECONFIG_DC_B }',
      'unknown key',
      'env',
    ],
    [
      'a key that slipped one level down',
      '      prefix: postgresql\n',
      '      prefix: postgresql\n      retention: 30d\n',
      'unknown key: retention belongs one level up',
      null,
    ],
    [
      'a reference into a site that does not exist',
      '{ env: CANARY_PROJECT_ID }',
      '{ secret: { namespace: a, name: b, key: c, site: dc-z } }',
      'no site dc-z is declared',
      'dc-a',
    ],
    ['another version of this format', 'standby: 1', 'standby: 2', '2 is not 1', null],
  ]
  test.each(cases)('%s is found', (_, passage, by, what, suggestion) => {
    const problems = problemsOf(replaced(infisical, passage, by))
    expect(problems.length).toBeGreaterThan(0)
    expect(problems.map((problem) => problem.what).join('\n')).toContain(what)
    expect(problems.map((problem) => problem.suggestion)).toContain(suggestion)
    expect(problems.every((problem) => problem.line !== null)).toBe(true)
  })

  test('with one site only is refused: there must be two', () => {
    const text = infisical.replace(/ {2}dc-b:\n {4}kubernetes:\n.*\n.*\n/, '')
    expect(problemsOf(text)[0]).toMatchObject({
      path: 'sites',
      what: expect.stringContaining('has 1 of at least 2 entries'),
    })
  })

  test('with needs that go in a circle is refused, and the circle is shown once', () => {
    const text = replaced(
      infisical,
      '  archive:\n    driver: s3\n',
      '  archive:\n    driver: s3\n    needs: [application]\n',
    )
    const circles = problemsOf(text).filter((problem) => problem.what.startsWith('needs itself'))
    expect(circles.map(({ path, what }) => [path, what])).toEqual([
      ['components.archive.needs', 'needs itself: archive → application → database → archive'],
      ['components.archive.needs', 'needs itself: archive → application → cache → archive'],
    ])
  })

  test('with two owners of one Kubernetes object is refused, and both are named', () => {
    const second = infisical.slice(infisical.indexOf('  cache:\n'), infisical.indexOf('  application:\n'))
    const text = replaced(
      infisical,
      '  application:\n',
      `${second.replace('  cache:\n', '  second-cache:\n')}  application:\n`,
    )
    expect(problemsOf(text).map(({ path, what }) => `${path}: ${what}`)).toEqual(
      expect.arrayContaining([
        'components.second-cache.name: kubernetes dc-a infisical/StatefulSet/redis belongs to components.cache.name already',
        'components.second-cache.backup.prefix: archive archive/redis/ belongs to components.cache.backup.prefix already',
      ]),
    )
  })

  test('with two sites whose clusters would archive under one name is refused', () => {
    const problems = problemsOf(replaced(infisical, 'name: pg-dc-b', 'name: pg-dc-a'))
    expect(problems.map(({ path }) => path)).toContain('components.database.sites.dc-b.name')
  })

  test('with two databases that archive under one prefix is refused, and both are named for each site', () => {
    const database = infisical.slice(infisical.indexOf('  database:\n'), infisical.indexOf('  cache:\n'))
    const second = database
      .replace('  database:\n', '  second:\n')
      .replace('namespace: infisical', 'namespace: elsewhere')
    const text = replaced(infisical, '  cache:\n', `${second}  cache:\n`)
    expect(problemsOf(text).map(({ path, what }) => `${path}: ${what}`)).toEqual(
      ['dc-a', 'dc-b'].map(
        (site) =>
          `components.second.sites.${site}.name: archive archive/postgresql/pg-${site}-g1/ belongs to components.database.sites.${site}.name already`,
      ),
    )
  })
})

describe('a credential in a stack file', () => {
  const secret = 'hunter2-hunter2'
  test.each([
    ['as a plain value', '{ env: STANDBY_WITNESS_ACCESS_KEY_ID }', secret],
    ['under a key that does not exist', '{ env: STANDBY_WITNESS_ACCESS_KEY_ID }', `{ value: ${secret} }`],
    ['in the place of a name', '{ env: STANDBY_WITNESS_ACCESS_KEY_ID }', `{ env: ${secret} }`],
    ['in the address of a service', 'https://s3.witness.example.com', `https://user:${secret}@s3.witness.example.com`],
    [
      'beside a mistake on the same line',
      '{ env: STANDBY_WITNESS_ACCESS_KEY_ID }',
      `{ value: ${secret}, env: lower-case }`,
    ],
    ['in quotes that are never closed', '{ env: STANDBY_WITNESS_ACCESS_KEY_ID }', `"${secret}`],
  ])('%s is refused, and never printed', (_, passage, by) => {
    const refusal = refusalOf(replaced(infisical, passage, by))
    expect(refusal?.problems[0]?.path ?? '').toMatch(/^(witness\..*)?$/)
    expect(refusal?.message).not.toContain(secret)
  })

  test('is asked for as a reference', () => {
    const [problem] = problemsOf(replaced(infisical, '{ env: STANDBY_WITNESS_ACCESS_KEY_ID }', 'AKIAIOSFODNN7EXAMPLE'))
    expect(problem?.what).toContain('must be a reference, never the value itself')
  })
})

describe('the files that a stack names', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'standby-stack-'))
    await cp(dirname(pathOfStack('infisical-kubernetes')), folder, { recursive: true })
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))
  const path = (): string => join(folder, 'standby.yaml')

  test('must exist: a missing one is reported at the line that names it', async () => {
    await rm(join(folder, 'values', 'application-passive.yaml'))
    const refusal = await loadStack(path(), kinds).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(StackInvalid)
    const line = infisical.split('\n').findIndex((one) => one.includes('passive: [values/')) + 1
    expect((refusal as StackInvalid).problems).toEqual([
      expect.objectContaining({
        path: 'components.application.values.passive.0',
        what: 'the file values/application-passive.yaml does not exist beside the stack file',
        line,
      }),
    ])
  })

  test('belong to the digest, and so does the stack file: a reviewer approves all of it', async () => {
    const first = (await loadStack(path(), kinds)).source.digest
    expect((await loadStack(path(), kinds)).source.digest).toBe(first)
    await writeFile(join(folder, 'values', 'database.yaml'), 'instances: 3\n')
    const second = (await loadStack(path(), kinds)).source.digest
    await writeFile(path(), replaced(infisical, 'expiry: 2h', 'expiry: 3h'))
    const third = (await loadStack(path(), kinds)).source.digest
    expect(new Set([first, second, third]).size).toBe(3)
  })

  test('give the same digest wherever the checkout lies', async () => {
    const elsewhere = await loadStack(pathOfStack('infisical-kubernetes'), kinds)
    expect((await loadStack(path(), kinds)).source.digest).toBe(elsewhere.source.digest)
  })
})

test('a missing stack file is reported as missing, with what to do', async () => {
  await expect(loadStack('/nowhere/standby.yaml', kinds)).rejects.toMatchObject({
    code: 'stack-not-found',
    mustAct: 'input',
  })
})
