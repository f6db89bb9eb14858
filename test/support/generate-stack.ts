import { stringify } from 'yaml'

const KINDS = ['s3', 'cloudnative-pg', 'redis', 'helm-release', 'haproxy'] as const
type Kind = (typeof KINDS)[number]

export interface GeneratedSize {
  readonly components: number
  readonly sites: number
}

/**
 * The text of a valid stack file of any size: applications side by side, each with its archive, database, cache and
 * traffic. Names no file.
 */
export function generateStack({ components, sites }: GeneratedSize): string {
  const names = Array.from({ length: sites }, (_, index) => `dc-${index + 1}`)
  const declared = Array.from({ length: components }, (_, index) => {
    const kind = KINDS[index % KINDS.length] ?? 's3'
    return component(kind, Math.floor(index / KINDS.length) + 1, names)
  })
  return stringify({
    standby: 1,
    name: 'generated',
    sites: Object.fromEntries(
      names.map((name, index) => [
        name,
        {
          kubernetes: {
            kubeconfig: { env: `KUBECONFIG_${index + 1}` },
            clusterId: `00000000-0000-0000-0000-${String(index + 1).padStart(12, '0')}`,
          },
        },
      ]),
    ),
    initialActive: names[0],
    witness: {
      driver: 's3',
      endpoint: 'https://witness.example.com',
      region: 'us-east-1',
      bucket: 'witness',
      credentials: keys('WITNESS'),
    },
    components: Object.fromEntries(declared),
  })
}

const keys = (prefix: string): object => ({
  accessKeyId: { env: `${prefix}_ACCESS_KEY_ID` },
  secretAccessKey: { env: `${prefix}_SECRET_ACCESS_KEY` },
})
const perSite = (sites: readonly string[], declare: (site: string, index: number) => unknown): object =>
  Object.fromEntries(sites.map((site, index) => [site, declare(site, index)]))

function component(kind: Kind, group: number, sites: readonly string[]): [string, object] {
  const namespace = `application-${group}`
  const store = `archive-${group}`
  switch (kind) {
    case 's3':
      return [
        store,
        {
          driver: kind,
          sites: perSite(sites, (site) => ({
            endpoint: `https://s3.${site}.example.com`,
            region: 'us-east-1',
            bucket: `${namespace}-${site}`,
            credentials: keys(`ARCHIVE_${group}`),
          })),
        },
      ]
    case 'cloudnative-pg':
      return [
        `database-${group}`,
        {
          driver: kind,
          needs: [store],
          namespace,
          database: 'app',
          owner: 'app',
          archive: { store, prefix: 'postgresql' },
          follow: 'archive-and-streaming',
          secrets: { superuser: 'pg-superuser', owner: 'pg-app' },
          manifest: { tables: ['users', 'secrets'] },
          sites: perSite(sites, (site, index) => ({
            name: `pg-${site}`,
            streaming: { host: `192.0.2.${index + 1}`, nodePort: 30000 + group },
          })),
        },
      ]
    case 'redis':
      return [
        `cache-${group}`,
        {
          driver: kind,
          needs: [store],
          namespace,
          name: 'redis',
          image: 'docker.io/library/redis:7.4.6',
          password: { secret: 'redis', key: 'password' },
          backup: {
            store,
            images: { dump: 'docker.io/library/redis:7.4.6', upload: 'docker.io/curlimages/curl:8.16.0' },
          },
        },
      ]
    case 'helm-release':
      return [
        `application-${group}`,
        {
          driver: kind,
          needs: [`database-${group}`, `cache-${group}`],
          namespace,
          release: 'app',
          chart: { oci: 'oci://registry.example.com/charts/app', version: '1.0.0' },
          mustMatch: [{ secret: 'app', keys: ['ENCRYPTION_KEY'] }],
          workload: { kind: 'Deployment', name: 'app', container: 'app' },
          identity: { database: `database-${group}`, query: 'SELECT id FROM instance' },
        },
      ]
    case 'haproxy':
      return [
        `traffic-${group}`,
        {
          driver: kind,
          needs: [`application-${group}`],
          map: '/etc/haproxy/maps/standby.map',
          key: `active-${group}`,
          socket: '/run/haproxy/admin.sock',
          backends: perSite(sites, (site) => `${site}-${group}`),
          instances: [1, 2].map((instance) => ({
            host: `lb-${instance}.example.com`,
            url: `http://lb-${instance}.example.com/`,
          })),
          ssh: { user: 'standby', privateKey: { env: 'SSH_PRIVATE_KEY' }, knownHosts: { env: 'SSH_KNOWN_HOSTS' } },
        },
      ]
  }
}
