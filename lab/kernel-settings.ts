import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stateDirectory } from './topology.ts'

/** Settings of the whole machine that a kubelet changes when it starts; `down` puts them back. */
const changedByKubelet = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
]

/** Two kubelets and their pods watch more files than the default of 128 instances allows. */
const raised: Readonly<Record<string, number>> = {
  'fs/inotify/max_user_instances': 1024,
  'fs/inotify/max_user_watches': 524_288,
}

const file = join(stateDirectory, 'kernel-settings.json')

/** Notes the machine's settings before anything changes them, then raises what the lab needs. */
export async function prepareKernelSettings(): Promise<void> {
  await mkdir(stateDirectory, { recursive: true })
  if (!existsSync(file)) {
    const entries = await Promise.all(
      [...changedByKubelet, ...Object.keys(raised)].map(async (name) => [name, await readSetting(name)]),
    )
    await writeFile(file, JSON.stringify(Object.fromEntries(entries)))
  }
  for (const [name, least] of Object.entries(raised)) {
    if (Number(await readSetting(name)) < least) await writeFile(`/proc/sys/${name}`, String(least))
  }
}

export async function restoreKernelSettings(): Promise<void> {
  if (!existsSync(file)) return
  const noted: Record<string, string> = JSON.parse(await readFile(file, 'utf8'))
  for (const [name, value] of Object.entries(noted)) {
    if ((await readSetting(name)) !== value) await writeFile(`/proc/sys/${name}`, value)
  }
}

const readSetting = async (name: string) => (await readFile(`/proc/sys/${name}`, 'utf8')).trim()
