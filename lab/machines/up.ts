import { mkdir } from 'node:fs/promises'
import { ensureProgram } from '../binaries/build.ts'
import { weighAs } from '../cgroup.ts'
import { coveredByMachines, ensureCoveredDirectories } from '../covered-directories.ts'
import { prepareKernelSettings } from '../kernel-settings.ts'
import { markLabOfMachines } from '../lab-kind.ts'
import { ensureLogin, knowHosts } from '../login.ts'
import { ensureBridge, ensureNamespace } from '../network/host-namespace.ts'
import { quickenLink } from '../network/slow-link.ts'
import { presentHosts } from '../present.ts'
import type { Progress } from '../progress.ts'
import { loadBalancerNames, machineNames, runDirectory, siteNames } from '../topology.ts'
import { startGithub } from '../wan/github.ts'
import { machinesServed } from '../wan/haproxy-configuration.ts'
import { startLoadBalancer } from '../wan/load-balancer.ts'
import { startS3, startSecureS3 } from '../wan/s3.ts'
import { ensureConsul } from './consul.ts'
import { ensureMachineDisk } from './disk.ts'
import { writeMachinesEnvironment } from './environment.ts'
import { bootMachine, untilMachineWorks } from './machine.ts'
import { ensureMachineTree } from './tree.ts'

/**
 * Brings a lab of machines up: three sites of three, load balancers, S3 and the fake of GitHub; no Kubernetes. Each
 * step finds out what is there already, so an interrupted `up` continues where it was. `consul`: each machine has the
 * program too, which is built where the cache lacks it.
 */
export async function bringMachinesUp(
  progress: Progress,
  signal: AbortSignal,
  { consul = false }: { readonly consul?: boolean } = {},
): Promise<void> {
  // The first one waits for a mirror of Debian most of the time, the second one for processors.
  const [tree, versitygw] = await Promise.all([
    ensureMachineTree(progress, signal),
    progress.step('S3 program', () => ensureProgram('versitygw', signal)),
  ])
  const program = consul ? await progress.step('Consul program', () => ensureProgram('consul', signal)) : undefined
  await mkdir(runDirectory, { recursive: true, mode: 0o700 })
  await markLabOfMachines()
  await prepareKernelSettings()
  await ensureCoveredDirectories(coveredByMachines)
  await ensureLogin()
  if (program !== undefined) await ensureConsul(program)
  await progress.step('network', async () => {
    await ensureBridge()
    const hosts = presentHosts()
    await Promise.all(hosts.map(quickenLink))
    await Promise.all(hosts.map(ensureNamespace))
  })
  const startAllMachines = async () => {
    await Promise.all(machineNames.map((machine) => ensureMachineDisk(machine, tree)))
    await Promise.all(machineNames.map((machine) => bootMachine(machine, tree)))
  }
  const startBalancers = () =>
    Promise.all(loadBalancerNames.map((name) => startLoadBalancer(name, tree, machinesServed(siteNames), signal)))
  const [s3, githubUrl] = await Promise.all([
    progress.step('S3', async () => {
      const keys = await startS3({ versitygw }, signal)
      return { keys, secure: await startSecureS3({ versitygw }, signal) }
    }),
    startGithub(),
    progress.step('load balancers', startBalancers),
    progress.step('machines started', startAllMachines),
  ])
  await weighAs(machineNames.length)
  await knowHosts([...machineNames, ...loadBalancerNames])
  await progress.step('machines booted', () =>
    Promise.all(machineNames.map((machine) => untilMachineWorks(machine, signal))),
  )
  await writeMachinesEnvironment(s3, githubUrl)
}
