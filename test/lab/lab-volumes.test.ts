import { describe, expect, test } from '@jest/globals'
import { readLabEnvironment } from '../../lab/environment.ts'
import { execute } from '../../lab/execute.ts'
import { until } from '../../lab/until.ts'

const namespace = 'lab-volumes-test'

async function kubectl(args: readonly string[], input?: object): Promise<string> {
  const { sites, programs } = await readLabEnvironment()
  const options = { deadline: 60_000, ...(input === undefined ? {} : { input: JSON.stringify(input) }) }
  return execute(programs.kubectl, [`--kubeconfig=${sites[0]?.kubeconfig}`, ...args], options)
}

function podThatWrites(image: string) {
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'data', namespace },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'writer', namespace },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: 'writer',
              image,
              imagePullPolicy: 'IfNotPresent',
              command: ['sh', '-c', 'ls -A /data; date > /data/secret; sleep 600'],
              volumeMounts: [{ name: 'data', mountPath: '/data' }],
            },
          ],
          volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
        },
      },
    ],
  }
}

describe('volumes of a site', () => {
  test('a deleted claim gives its volume back, empty, within two seconds', async () => {
    const { images } = await readLabEnvironment()
    try {
      await kubectl(['apply', '-f', '-'], podThatWrites(images.tools))
      await kubectl(['-n', namespace, 'wait', '--for=condition=Ready', '--timeout=40s', 'pod/writer'])
      const volume = await kubectl(['-n', namespace, 'get', 'pvc', 'data', '-o', 'jsonpath={.spec.volumeName}'])
      const path = await kubectl(['get', 'pv', volume, '-o', 'jsonpath={.spec.local.path}'])
      expect(await execute('ls', ['-A', path])).toBe('secret\n')
      await kubectl(['-n', namespace, 'delete', 'pod', 'writer', '--now'])
      await kubectl(['-n', namespace, 'delete', 'pvc', 'data'])
      const phase = () => kubectl(['get', 'pv', volume, '-o', 'jsonpath={.status.phase}'])
      await until('volume available', { deadline: 2_000, every: 100 }, async () => (await phase()) === 'Available')
      expect(await execute('ls', ['-A', path])).toBe('')
    } finally {
      await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait=false'])
    }
  }, 120_000)
})
