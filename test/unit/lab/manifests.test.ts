import { describe, expect, test } from '@jest/globals'
import { operatorManifest, pluginManifest } from '../../../lab/site/operators.ts'

const operatorRelease = `apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      containers:
      - env:
        - name: OPERATOR_IMAGE_NAME
          value: ghcr.io/cloudnative-pg/cloudnative-pg:1.30.0
        image: ghcr.io/cloudnative-pg/cloudnative-pg:1.30.0
        imagePullPolicy: Always
        resources:
          limits:
            cpu: 100m
            memory: 200Mi
          requests:
            cpu: 100m
            memory: 100Mi
        startupProbe:
          failureThreshold: 6
          httpGet:
            path: /readyz
            port: 9443
            scheme: HTTPS
          periodSeconds: 5
`

const pluginRelease = `apiVersion: v1
kind: ServiceAccount
---
apiVersion: v1
data:
  SIDECAR_IMAGE: |
    Z2hjci5pby9jbG91ZG5hdGl2ZS1wZy9wbHVnaW4tYmFybWFuLWNsb3VkLXNpZGVjYXItdG
    VzdGluZzptYWlu
kind: Secret
metadata:
  name: plugin-barman-cloud-8tfddg42gf
---
apiVersion: apps/v1
kind: Deployment
spec:
        image: ghcr.io/cloudnative-pg/plugin-barman-cloud-testing:main
        readinessProbe:
          initialDelaySeconds: 10
          periodSeconds: 10
---
apiVersion: cert-manager.io/v1
kind: Certificate
---
apiVersion: cert-manager.io/v1
kind: Issuer
`

describe('release manifests', () => {
  test('the operator and the pods that it makes use the image of the lab, never a registry', () => {
    const edited = operatorManifest(operatorRelease, 'docker.io/lab/cloudnative-pg:1.30.0')
    expect(edited).not.toContain('ghcr.io')
    expect(edited.match(/docker\.io\/lab\/cloudnative-pg:1\.30\.0/g)).toHaveLength(2)
    expect(edited).toContain('imagePullPolicy: IfNotPresent')
    expect(edited).not.toContain('cpu: 100m\n            memory: 200Mi')
  })

  test('the plugin comes without cert-manager and with the sidecar of the lab', () => {
    const edited = pluginManifest(pluginRelease, {
      plugin: 'docker.io/lab/plugin:1',
      sidecar: 'docker.io/lab/sidecar:1',
    })
    expect(edited).not.toContain('cert-manager.io')
    expect(edited).not.toContain('ghcr.io')
    expect(edited).toContain('stringData:\n  SIDECAR_IMAGE: docker.io/lab/sidecar:1\nkind: Secret')
    expect(edited.split(/^---$/m)).toHaveLength(3)
  })

  test('a release whose manifest changed shape is refused, not half edited', () => {
    expect(() => operatorManifest('kind: Deployment', 'x')).toThrow(/lab-manifest-changed/)
  })
})
