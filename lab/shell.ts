import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { delimiter, dirname } from 'node:path'
import { readLabEnvironment } from './environment.ts'
import { entryTo } from './inside.ts'
import { socketOf } from './site/containerd.ts'
import { runningProcess } from './state.ts'
import { type HostName, loadBalancerNames, machineNames, nginxNames, siteNames } from './topology.ts'

/**
 * Opens a shell inside a host: its network, its mounts, and for a site kubectl, helm and ctr that talk to it. Returns
 * the shell's exit code.
 */
export async function openShell(host: HostName): Promise<number> {
  const command = hasInit(host) ? await entryToInit(host) : entryTo(host)
  const [program = '', ...args] = [...command, 'bash', '--norc', '-i']
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...(await variablesFor(host)) } })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
}

async function variablesFor(host: HostName): Promise<Record<string, string>> {
  const site = siteNames.find((name) => name === host)
  const prompt = { PS1: `[${host}] \\w # ` }
  if (site === undefined) return prompt
  const { sites, programs } = await readLabEnvironment()
  const directories = [...new Set([programs.kubectl, programs.helm].map(dirname)), process.env.PATH ?? '']
  const kubeconfig = sites.find(({ name }) => name === site)?.kubeconfig ?? ''
  return {
    ...prompt,
    KUBECONFIG: kubeconfig,
    CONTAINERD_ADDRESS: socketOf(site),
    CONTAINERD_NAMESPACE: 'k8s.io',
    PATH: directories.join(delimiter),
  }
}

const hasInit = (host: HostName): boolean =>
  [...loadBalancerNames, ...nginxNames, ...machineNames].some((name) => name === host)

/** A load balancer or machine has its own process ids and root directory: enter those of its first process. */
async function entryToInit(host: HostName): Promise<string[]> {
  const started = runningProcess(host, 'init')
  if (started === undefined) throw new Error(`lab-not-up: ${host} does not run. Start it:  npm run lab -- heal ${host}`)
  const children = await readFile(`/proc/${started.pid}/task/${started.pid}/children`, 'utf8')
  return ['nsenter', `--target=${children.trim().split(' ')[0]}`, '--all', '--root', '--wd', '--']
}
