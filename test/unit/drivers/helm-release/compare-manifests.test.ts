import { describe, expect, test } from '@jest/globals'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { compareManifests } from '../../../../src/drivers/helm-release/compare-manifests.ts'
import { comparison, ofOthers } from '../../../../src/drivers/helm-release/deploy.ts'

const deployment = (replicas: number, stamp: string, image = 'infisical:1'): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: app, annotations: { updatedAt: "${stamp}" } }
spec:
  replicas: ${replicas}
  template:
    metadata: { annotations: { updatedAt: "${stamp}", mine: kept } }
    spec: { containers: [{ name: app, image: "${image}" }] }
`
const secret = (value: string): string => `
apiVersion: v1
kind: Secret
metadata: { name: keys }
stringData: { KEY: ${value} }
`
const together = (...documents: string[]): string => documents.join('\n---\n')

describe('what a deploy would change in a release', () => {
  test('is nothing when only the time that the chart stamps differs', () => {
    expect(
      compareManifests(deployment(1, '2026-11-21 05:00:00'), deployment(1, '2026-11-21 06:00:00'), 'infisical'),
    ).toEqual([])
  })

  test('is nothing when the stamp was removed before it was installed', () => {
    const rendered = 'kind: Service\nmetadata:\n  name: app\n  annotations:\n    updatedAt: "2026-11-21 UTC 05:00:00"\n'
    const installed = 'kind: Service\nmetadata:\n  name: app\n  annotations:\n'
    expect(compareManifests(installed, rendered, 'infisical')).toEqual([])
  })

  test('names each field with both values', () => {
    expect(compareManifests(deployment(1, 'a'), deployment(0, 'b', 'infisical:2'), 'infisical')).toEqual([
      { kind: 'update', object: 'infisical/Deployment/app', path: 'spec.replicas', from: 1, to: 0 },
      {
        kind: 'update',
        object: 'infisical/Deployment/app',
        path: 'spec.template.spec.containers',
        from: [{ name: 'app', image: 'infisical:1' }],
        to: [{ name: 'app', image: 'infisical:2' }],
      },
    ])
  })

  test('names what comes and what goes', () => {
    const changes = compareManifests(together(deployment(1, 'a')), together(secret('new')), 'infisical')
    expect(changes).toEqual([
      { kind: 'create', object: 'infisical/Secret/keys' },
      { kind: 'delete', object: 'infisical/Deployment/app' },
    ])
  })

  test('never shows the value of a Secret', () => {
    const changes = compareManifests(secret('old-value'), secret('new-value'), 'infisical')
    expect(changes).toEqual([{ kind: 'update', object: 'infisical/Secret/keys', path: 'stringData.KEY' }])
  })

  test('takes no harm from empty documents and comments, as charts render them', () => {
    const noisy = `# Source: nothing\n---\n\n---\n${deployment(1, 'a')}\n---\n# end\n`
    expect(compareManifests(noisy, deployment(1, 'b'), 'infisical')).toEqual([])
  })
})

describe('a release that other hands installed', () => {
  const live = { status: 'deployed', revision: 4, chart: 'infisical-standalone-1.4.0', values: '{}' }
  const component = {
    name: 'application',
    driver: 'helm-release',
    needs: [],
    spec: { namespace: 'infisical', release: 'infisical' },
  }
  const judged = (adopt: boolean, changes: Parameters<typeof ofOthers>[3] = []) =>
    ofOthers(live, component as unknown as Parameters<typeof ofOthers>[1], adopt, changes)

  test('is refused, and named as theirs, unless the deploy adopts', () => {
    expect(judged(false)).toMatchObject([{ kind: 'refused', why: expect.stringMatching(/^made-by-others: .*--adopt/) }])
  })

  test('is adopted, and nothing of it may be deleted by that', () => {
    expect(judged(true)).toMatchObject([{ kind: 'keep', from: 'infisical-standalone-1.4.0, revision 4' }])
    const gone = { kind: 'delete', object: 'infisical/PersistentVolumeClaim/uploads' } as const
    expect(judged(true, [gone])).toMatchObject([{ kind: 'keep' }, { kind: 'refused', object: gone.object }])
  })

  test('is not adopted to be stopped where it is the only one: the refusal says which site to name', () => {
    const only = { site: 'dc-a' as SiteName, named: 'dc-b' as SiteName, epoch: null }
    expect(ofOthers(live, component as unknown as Parameters<typeof ofOthers>[1], true, [], only)).toMatchObject([
      {
        kind: 'refused',
        why: expect.stringMatching(/^made-by-others: .*dc-b as initialActive.*If dc-a is the site that serves/),
      },
    ])
  })
})

describe('what helm has of a release of this name', () => {
  const component = {
    name: 'application',
    driver: 'helm-release',
    needs: [],
    spec: {
      ...{
        namespace: 'infisical',
        release: 'infisical',
        chart: { path: 'chart' },
        values: { active: [], passive: [] },
      },
      workload: { kind: 'Deployment', name: 'infisical' },
    },
  } as unknown as Parameters<typeof comparison>[1]
  const context = {
    stack: { source: { directory: '/stack' } },
    platform: () => ({ get: async () => null }),
    signal: new AbortController().signal,
  } as unknown as Parameters<typeof comparison>[4]
  const withHelmOf = (status: string, installed: string) =>
    comparison(
      async ([command]) => {
        if (command === 'list') return JSON.stringify([{ status, revision: '4', chart: 'other-1.0.0' }])
        if (command === 'template') return deployment(1, 'a')
        return installed
      },
      component,
      'active',
      'dc-a' as Parameters<typeof comparison>[3],
      context,
    )
  const another = deployment(1, 'a').replace('name: app,', 'name: another,')

  test('is reported by the dry run as well when an interrupted helm left it pending', async () => {
    const { changes } = await withHelmOf('pending-upgrade', deployment(1, 'a'))
    expect(changes).toEqual([
      expect.objectContaining({ kind: 'refused', why: expect.stringMatching(/^release-pending: .*helm rollback/) }),
    ])
  })

  test('is compared object by object when its last upgrade failed: what would be deleted is seen', async () => {
    const claim = 'apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: { name: uploads }\n'
    const { changes } = await withHelmOf('failed', `${deployment(1, 'a')}\n---\n${claim}`)
    expect(changes).toContainEqual(
      expect.objectContaining({ kind: 'delete', object: 'infisical/PersistentVolumeClaim/uploads' }),
    )
    expect(changes).toContainEqual(expect.objectContaining({ kind: 'update', path: 'status', from: 'failed' }))
  })

  test("is another application's when the upgrade would leave nothing of it, also after the first deploy", async () => {
    expect(await withHelmOf('deployed', another)).toMatchObject({ keepsNothing: true })
    expect(await withHelmOf('deployed', `${another}\n---\n${deployment(2, 'b')}`)).toMatchObject({
      keepsNothing: false,
    })
    expect(await withHelmOf('deployed', '')).toMatchObject({ keepsNothing: false })
  })
})
