import { describe, expect, test } from '@jest/globals'
import { compareManifests, ofOthers } from '../../../../src/drivers/helm-release/deploy.ts'

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
    expect(compareManifests(deployment(1, '2026-11-21 05:00:00'), deployment(1, '2026-11-21 06:00:00'), 'infisical')).toEqual([])
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
  const component = { name: 'application', driver: 'helm-release', needs: [], spec: { namespace: 'infisical', release: 'infisical' } }
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
})
