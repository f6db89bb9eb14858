import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { authorizeLogin, idsOf, LOGIN, makeHostKey } from '../login.ts'
import { addressOf, hostNames, type MachineName, siteNames, stateOf } from '../topology.ts'

const machineId = 'etc/machine-id'

/**
 * The files of a machine that no other has: identity, ssh host key, name, who may log in. Made once, so that they, and
 * all that the machine writes later, outlive a power cut.
 */
export async function ensureMachineDisk(machine: MachineName, tree: string): Promise<void> {
  const disk = stateOf(machine, 'disk')
  if (existsSync(disk)) return
  const unfinished = `${disk}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  const place = async (path: string, content: string) => {
    await mkdir(dirname(join(unfinished, path)), { recursive: true })
    await writeFile(join(unfinished, path), content)
  }
  await place(machineId, `${randomBytes(16).toString('hex')}\n`)
  await place('etc/hostname', `${machine}\n`)
  await place('etc/hosts', hostsFile(machine))
  await makeHostKey(machine, unfinished)
  await authorizeLogin(unfinished, await idsOf(tree, LOGIN.user))
  await rename(unfinished, disk)
}

/** By what a driver tells this machine from any other. */
export const machineIdOf = async (machine: MachineName): Promise<string> =>
  (await readFile(stateOf(machine, 'disk', machineId), 'utf8')).trim()

/** There is no name server: every host of the lab is known by its name. */
function hostsFile(machine: MachineName): string {
  const others = hostNames.filter((host) => !(siteNames as readonly string[]).includes(host))
  const lines = others.map((host) => `${addressOf[host]} ${host}`)
  return ['127.0.0.1 localhost', `${addressOf[machine]} ${machine}`, ...lines, ''].join('\n')
}
