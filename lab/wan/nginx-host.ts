import { chown } from 'node:fs/promises'
import { join } from 'node:path'
import type { LabNginx } from '../environment.ts'
import { LOGIN } from '../login.ts'
import { accepts } from '../network/accepts.ts'
import { addressOf, type NginxName, type SiteName } from '../topology.ts'
import { until } from '../until.ts'
import { bootHost, ensureDisk, type HostFiles } from './boot-host.ts'
import {
  activeFileOf,
  CLOSED,
  firstActiveFile,
  nginxConfiguration,
  nginxPlaces,
  upstreamOf,
  VARIABLE,
} from './nginx-configuration.ts'

/** The NodePort of the application that the frontend leads to. */
const SITE_PORT = 30080

/** The two sites that every lab has: a host keeps the configuration that its disk was made with. */
const SITES = ['dc-a', 'dc-b'] as const satisfies readonly SiteName[]

/** Starts an NGINX on a host of its own, or does nothing where it runs; returns when it answers. The login exists. */
export async function startNginxHost(name: NginxName, tree: string, signal: AbortSignal): Promise<void> {
  await ensureDisk(name, tree, { init, files: filesOf(name) })
  await bootHost(name, tree)
  await until(`${name} answers on HTTP and ssh`, { deadline: 60_000, every: 100, signal }, async () => {
    const [http, ssh] = await Promise.all([accepts(name, 80), accepts(name, 22)])
    return http && ssh
  })
}

export function describeNginxHost(name: NginxName): LabNginx {
  return {
    name,
    host: addressOf[name],
    url: `http://${addressOf[name]}`,
    user: LOGIN.user,
    privateKey: LOGIN.privateKey,
    knownHosts: LOGIN.knownHosts,
    file: activeFileOf(nginxPlaces),
    variable: VARIABLE,
    status: `http://${nginxPlaces.status}/active`,
    closed: CLOSED,
    upstreams: Object.fromEntries(SITES.map((site) => [site, upstreamOf(site)])),
  }
}

/** The folder of Standby's file belongs to the login, and the file too. */
const filesOf =
  (name: NginxName): HostFiles['files'] =>
  async (place, login, disk) => {
    const origins = Object.fromEntries(SITES.map((site) => [site, `${addressOf[site]}:${SITE_PORT}`]))
    await place('etc/nginx/nginx.conf', nginxConfiguration(origins), 0o644)
    await place(activeFileOf(nginxPlaces), firstActiveFile, 0o644, login)
    await chown(join(disk, nginxPlaces.folder), login.uid, login.gid)
    // Without its own name in it sudo asks a name server for it, and there is none.
    await place('etc/hosts', `127.0.0.1 localhost ${name}\n`, 0o644)
  }

/** An NGINX that is stopped comes back, as under any service manager. */
const init = `#!/bin/sh
mkdir -p /run/sshd
/usr/sbin/sshd -D -e 2>>/var/log/sshd.log &
while :; do
  /usr/sbin/nginx -g 'daemon off;'
  sleep 0.1
done
`
