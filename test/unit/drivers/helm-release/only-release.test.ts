import { readFile } from 'node:fs/promises'
import { expect, test } from '@jest/globals'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { Change } from '../../../../src/driver/deployment.ts'
import { deployRelease } from '../../../../src/drivers/helm-release/deploy.ts'
import { theApplication } from '../../../support/helm-application.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const [A, B, C] = ['dc-a' as SiteName, 'dc-b' as SiteName, 'dc-c' as SiteName]
const component = theApplication({ values: { active: ['active.yaml'], passive: ['passive.yaml'] } })
const manifest = (replicas: number, name = 'app'): string =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: ${name} }\nspec: { replicas: ${replicas} }\n`

/**
 * What a deploy would do on one site, where the witness names dc-a as the active one. `replicas`: of each site that has
 * a release.
 */
async function changesAt(
  site: SiteName,
  replicas: Readonly<Record<string, number>>,
  of: {
    readonly epoch?: number | null
    readonly adopt?: boolean
    readonly installed?: string
    readonly ofPassive?: number
  } = {},
): Promise<Change[]> {
  const helm = (at: string, [command, ...args]: readonly string[]): string => {
    const now = replicas[at]
    if (command === 'list')
      return JSON.stringify(now === undefined ? [] : [{ status: 'deployed', revision: '4', chart: 'app-1.0.0' }])
    if (command === 'template')
      return manifest(args.some((one) => one.endsWith('passive.yaml')) ? (of.ofPassive ?? 0) : 2)
    return args[0] === 'values' ? '{}' : manifest(now ?? 0, of.installed)
  }
  const context = {
    stack: toyStack,
    signal: new AbortController().signal,
    platform: (_key: unknown, at: SiteName) => ({
      get: async () =>
        replicas[at] === undefined
          ? null
          : { metadata: { name: 'app', namespace: 'infisical' }, spec: { replicas: replicas[at] } },
    }),
    kubeconfig: async (at: SiteName) => at,
    run: async (_: string, args: readonly string[], { env }: { env: { KUBECONFIG: string } }) => ({
      code: 0,
      stdout: helm(await readFile(env.KUBECONFIG, 'utf8'), args),
      stderr: '',
    }),
  } as unknown as DriverContext
  const { epoch = 3, adopt = false } = of
  const roleOf = (one: SiteName) => (one === A ? 'active' : 'passive')
  const [unit] = await deployRelease(component, site, { activeSite: A, roleOf, observed: {}, epoch, adopt }, context)
  return (await unit?.diff(context.signal)) ?? []
}
const refused = (changes: readonly Change[]): string[] =>
  changes.flatMap(({ kind, why }) => (kind === 'refused' ? [why ?? ''] : []))

test.each([
  ['by a deploy', { [B]: 2 }, {}],
  ['by a deploy that adopts', { [B]: 2 }, { adopt: true }],
  ['by a deploy that adopts, where nothing of it would stay', { [B]: 2 }, { adopt: true, installed: 'another' }],
  ['in the first epoch', { [B]: 1 }, { epoch: 1 }],
  ['where a third site sleeps', { [B]: 2, [C]: 0 }, {}],
])(
  'a release that runs on a passive site is not stopped while the active site has none, %s',
  async (_, replicas, of) => {
    const why = refused(await changesAt(B, replicas, of))
    expect(why).toEqual([
      expect.stringMatching(/^made-by-others: .*the witness names dc-a as the active site, which has none/),
    ])
    expect(why.join()).not.toContain('initialActive')
  },
)

test.each([
  ['of a site that was lost and has come back is put to sleep: the active one has a release', { [A]: 2, [B]: 2 }],
  ['is put to sleep also where the active one has no replicas', { [A]: 0, [B]: 2 }],
  ['of three sites that has come back is put to sleep', { [A]: 2, [B]: 1, [C]: 0 }],
])('a release %s', async (_, replicas) => {
  const changes = await changesAt(B, replicas)
  expect(refused(changes)).toEqual([])
  expect(changes).toContainEqual(expect.objectContaining({ kind: 'update', path: 'spec.replicas', to: 0 }))
})

test('a deploy that goes on after an interrupted first one meets a release that sleeps, and installs the other', async () => {
  expect(await changesAt(B, { [B]: 0 }, { epoch: 1 })).toEqual([])
  expect(await changesAt(A, { [B]: 0 }, { epoch: 1 })).toMatchObject([{ kind: 'create' }])
})

test('a passive release whose values let it run is not stopped by a deploy, and so not refused', async () => {
  expect(await changesAt(B, { [B]: 1 }, { epoch: 1, ofPassive: 1 })).toEqual([])
})

test('a first deploy installs each, and refuses nothing', async () => {
  for (const site of [A, B, C]) expect(await changesAt(site, {}, { epoch: null })).toMatchObject([{ kind: 'create' }])
})
