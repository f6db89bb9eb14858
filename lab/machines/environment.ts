import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LabEnvironment, LabLoadBalancer } from '../environment.ts'
import { LOGIN } from '../login.ts'
import {
  addressOf,
  loadBalancerNames,
  type MachineName,
  type MachineRole,
  machineRoles,
  runDirectory,
  type SiteName,
  siteNames,
} from '../topology.ts'
import { machinesServed } from '../wan/haproxy-configuration.ts'
import { describeLoadBalancer } from '../wan/load-balancer.ts'
import { type S3Keys, type SecureS3, s3Endpoint, s3Region } from '../wan/s3.ts'
import { bucketNames } from '../wan/s3-policies.ts'
import { type LabConsul, presentConsul } from './consul.ts'
import { machineIdOf } from './disk.ts'

/** What tests, roles and stack files need to know of a running lab of machines. */
export interface MachinesEnvironment {
  readonly schemaVersion: 1
  readonly sites: readonly MachinesSite[]
  readonly login: {
    readonly user: string
    /** Path of the key that may log in, on machines and load balancers; the user may `sudo` without a password. */
    readonly privateKey: string
    /** Path of the file with the host keys of all of them. */
    readonly knownHosts: string
  }
  readonly s3: LabEnvironment['s3'] & { readonly secure: SecureS3 }
  readonly loadBalancers: readonly LabLoadBalancer[]
  /** Absent: Patroni keeps its state in etcd, and nothing joins the sites. */
  readonly consul?: LabConsul
  /** The fake of GitHub's API; undefined when the checkout has none. */
  readonly githubUrl?: string
}

export interface MachinesSite {
  readonly name: SiteName
  readonly machines: readonly Machine[]
}

export interface Machine {
  readonly name: MachineName
  readonly role: MachineRole
  readonly address: string
  /** Content of /etc/machine-id. */
  readonly machineId: string
}

export const machinesEnvironmentPath = join(runDirectory, 'machines.json')

/** The facts of the running lab of machines; fails with what to do when there is none. */
export async function readMachinesEnvironment(): Promise<MachinesEnvironment> {
  try {
    return JSON.parse(await readFile(machinesEnvironmentPath, 'utf8'))
  } catch {
    throw new Error(
      `lab-not-up: ${machinesEnvironmentPath} cannot be read. Start the lab:  npm run lab -- up --stack infisical-on-premise`,
    )
  }
}

/** Gathers the facts of a lab that has just come up, and writes them. */
export async function writeMachinesEnvironment(
  s3: { readonly keys: S3Keys; readonly secure: SecureS3 },
  githubUrl: string | undefined,
): Promise<void> {
  const consul = presentConsul()
  const environment: MachinesEnvironment = {
    schemaVersion: 1,
    sites: await Promise.all(siteNames.map(describeSite)),
    login: LOGIN,
    s3: { endpoint: s3Endpoint, region: s3Region, ...s3.keys, buckets: bucketNames, secure: s3.secure },
    loadBalancers: loadBalancerNames.map((name) => describeLoadBalancer(name, machinesServed(siteNames))),
    ...(consul === undefined ? {} : { consul }),
    ...(githubUrl === undefined ? {} : { githubUrl }),
  }
  const unfinished = `${machinesEnvironmentPath}.unfinished`
  await writeFile(unfinished, JSON.stringify(environment, null, 2), { mode: 0o600 })
  await rename(unfinished, machinesEnvironmentPath)
}

async function describeSite(site: SiteName): Promise<MachinesSite> {
  const machines = await Promise.all(
    machineRoles.map(async (role): Promise<Machine> => {
      const name: MachineName = `${site}-${role}`
      return { name, role, address: addressOf[name], machineId: await machineIdOf(name) }
    }),
  )
  return { name: site, machines }
}
