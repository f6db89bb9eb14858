import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureDaemon } from '../inside.ts'
import { type SiteName, stateOf, volumesPerSite } from '../topology.ts'
import { apply, type Kubectl } from './kubectl.ts'

export const volumeDirectory = (site: SiteName, volume = '') => stateOf(site, 'volumes', volume)
const volumeNames = Array.from({ length: volumesPerSite }, (_, index) => `volume-${index + 1}`)

/** Declares the storage class and the site's volumes, and starts the process that empties released ones. */
export async function provideVolumes(site: SiteName, kubectl: Kubectl): Promise<void> {
  for (const name of volumeNames) {
    await mkdir(volumeDirectory(site, name), { recursive: true })
    await chmod(volumeDirectory(site, name), 0o777)
  }
  await apply(kubectl, [storageClass, ...volumeNames.map((name) => persistentVolume(site, name))])
  await startRecycler(site)
}

export async function startRecycler(site: SiteName): Promise<void> {
  const program = join(import.meta.dirname, 'recycle-volumes.ts')
  await ensureDaemon({
    group: site,
    name: 'volume-recycler',
    command: [process.execPath, '--max-old-space-size=64', program, site],
  })
}

const storageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: 'kubernetes.io/no-provisioner',
  volumeBindingMode: 'WaitForFirstConsumer',
  reclaimPolicy: 'Retain',
}

function persistentVolume(site: SiteName, name: string) {
  const onThisNode = { key: 'kubernetes.io/hostname', operator: 'In', values: [site] }
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '10Gi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'local',
      persistentVolumeReclaimPolicy: 'Retain',
      local: { path: volumeDirectory(site, name) },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [onThisNode] }] } },
    },
  }
}
