import type { Application, HelmReleaseSpec } from '../../src/drivers/helm-release/spec.ts'

/** An application of one Deployment in one release, as stacks declare it. */
export const theApplication = (more: Partial<HelmReleaseSpec> = {}): Application => ({
  name: 'application',
  driver: 'helm-release',
  needs: [],
  spec: {
    namespace: 'infisical',
    release: 'infisical',
    chart: { path: 'chart' },
    workload: { kind: 'Deployment', name: 'app', container: 'app' },
    ...more,
  },
})
