import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../src/domain/plan.ts'
import type { Sandbox } from '../../../src/domain/restore-test.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import type { Reach } from '../../../src/driver/reach.ts'
import { contextOfStep } from '../../../src/execution/isolate-lost-site.ts'
import { KUBERNETES } from '../../../src/platform/kubernetes/key.ts'
import { toyStep } from '../../support/toy-stack.ts'

const [lost, next] = ['dc-a', 'dc-b'] as SiteName[] as [SiteName, SiteName]
const failover: Intent = { mode: 'failover', from: lost, to: next, acceptLoss: 1 }
const secret = { secret: { namespace: 'n', name: 's3', key: 'k' } }
const logged: string[] = []
const context = {
  platform: () => 'client',
  kubeconfig: () => 'kubeconfig',
  credential: async () => 'value',
  sql: async () => [['row']],
  http: async ({ deadline }: { deadline: number }) => `answer within ${deadline}`,
  askSql: async ({ deadline }: { deadline: number }) => `rows within ${deadline}`,
  run: async (_program: string, _args: string[], { deadline }: { deadline: number }) => `ran within ${deadline}`,
  ssh: () => ({ run: async (_line: string, _stdin: string, deadline: number) => `said within ${deadline}` }),
  log: { debug: (line: string) => logged.push(line) },
  objectStore: () => ({
    location: {
      readCredentials: { accessKeyId: secret, secretAccessKey: secret },
      credentials: { accessKeyId: secret, secretAccessKey: secret },
    },
    open: async () => 'store',
  }),
} as unknown as DriverContext

describe('a step of a failover', () => {
  const { platform, kubeconfig, credential, objectStore, sql, http, askSql, run, ssh } = contextOfStep(
    context,
    failover,
    toyStep('database.promote@dc-b', 'PROMOTE'),
  )
  const defect = expect.objectContaining({ code: 'lost-site-touched' })

  test('cannot ask the lost site for anything, by whatever way', async () => {
    expect(() => platform(KUBERNETES, lost)).toThrow(defect)
    expect(() => kubeconfig(lost)).toThrow(defect)
    await expect(credential(secret, lost)).rejects.toEqual(defect)
    await expect(credential({ secret: { ...secret.secret, site: lost } }, next)).rejects.toEqual(defect)
    await expect(objectStore('archive', lost).open()).rejects.toEqual(defect)
    await expect(sql('database', lost, 'SELECT 1')).rejects.toEqual(defect)
    await expect(sql('database', { site: lost } as Sandbox, 'SELECT 1')).rejects.toEqual(defect)
  })

  const question = { method: 'GET', url: 'https://lb-1.dc-a', deadline: 10_000 } as const
  const access = { host: 'lb-1.dc-a', user: 'standby', privateKey: 'key', knownHosts: 'known' }
  const server = { host: 'db.dc-a', port: 5432, database: 'app', user: 'standby', password: '', tls: null }
  const by = (reach: Reach) => ({
    http: () => http(question, reach),
    SQL: () => askSql({ server, statements: ['SELECT 1'], deadline: 10_000 }, reach),
    program: () => run('helm', ['list'], { deadline: 10_000 }, reach),
    ssh: async () => ssh(access, reach).run('uptime', '', 10_000),
  })

  test.each(['http', 'SQL', 'program', 'ssh'] as const)('cannot reach into the lost site by %s', async (way) => {
    await expect(by({ site: lost })[way]()).rejects.toEqual(defect)
    await expect(by({ site: next })[way]()).resolves.toContain('within 10000')
    await expect(by('outside-sites')[way]()).resolves.toContain('within 10000')
  })

  test.each(['http', 'SQL', 'program', 'ssh'] as const)(
    'tries by %s what may be lost, for no longer than its driver says, and logs it once',
    async (way) => {
      await expect(by({ site: lost, mayBeLost: 1_500 })[way]()).resolves.toContain('within 1500')
      await expect(by({ site: lost, mayBeLost: 60_000 })[way]()).resolves.toContain('within 10000')
      const name = {
        http: 'https://lb-1.dc-a',
        SQL: 'the server db.dc-a',
        program: 'the program helm',
        ssh: 'the host lb-1.dc-a',
      }[way]
      expect(logged.filter((line) => line.includes(`: ${name} stands in dc-a`))).toHaveLength(1)
    },
  )

  test('reaches everything else', async () => {
    expect(platform(KUBERNETES, next)).toBe('client')
    await expect(sql('database', next, 'SELECT 1')).resolves.toEqual([['row']])
    await expect(credential({ env: 'KEY' }, lost)).resolves.toBe('value')
    await expect(objectStore('archive', next).open('write')).resolves.toBe('store')
  })
})

test('a fence of the lost site reaches it, and so do the steps of other modes', () => {
  expect(contextOfStep(context, failover, toyStep('database.fence@dc-a', 'FENCE')).platform(KUBERNETES, lost)).toBe(
    'client',
  )
  const switchover: Intent = { mode: 'switchover', from: lost, to: next }
  expect(
    contextOfStep(context, switchover, toyStep('database.promote@dc-b', 'PROMOTE')).platform(KUBERNETES, lost),
  ).toBe('client')
})
