import type { SiteName } from '../topology.ts'

/** Where NGINX listens and what it reads; a test has other places than a host of the lab. */
export interface NginxPlaces {
  /** Of the frontend, as in `listen`. */
  readonly frontend: string
  /** Answers the variable, for the host alone. */
  readonly status: string
  /** The folder that holds the file of Standby. */
  readonly folder: string
  readonly pid: string
}

export const nginxPlaces: NginxPlaces = {
  frontend: '80',
  status: '127.0.0.1:8099',
  folder: '/etc/nginx/standby',
  pid: '/run/nginx.pid',
}

/** The file that Standby writes. */
export const activeFileOf = ({ folder }: NginxPlaces) => `${folder}/active.conf`
export const VARIABLE = 'standby_active'
/** The value while no site may serve. */
export const CLOSED = 'closed'
export const upstreamOf = (site: SiteName) => `be-${site}`

/** The first line of the file, which a person writes before the first deploy. */
export const firstActiveFile = `map "" $${VARIABLE} { default ${CLOSED}; }\n`

/** The application of a site, `address:port`, as NGINX names the server that it asked. */
export type Origins = Readonly<Partial<Record<SiteName, string>>>

/**
 * NGINX as a team that follows docs/drivers/nginx.md would write it; `directives` stand before all others. The header
 * names the site of the server that has answered, not the one that the variable asks for.
 */
export function nginxConfiguration(origins: Origins, places: NginxPlaces = nginxPlaces, directives = ''): string {
  const sites = Object.entries(origins) as [SiteName, string][]
  return `${directives}
worker_processes 1;
pid ${places.pid};
events { worker_connections 512; }
http {
  access_log off;
  proxy_connect_timeout 1s;
  proxy_read_timeout 30s;
  include ${places.folder}/*.conf;
${sites.map(([site, server]) => `  upstream ${upstreamOf(site)} { server ${server}; }`).join('\n')}
  upstream ${CLOSED} { server 127.0.0.1:9 down; }
  map $upstream_addr $standby_site {
    default "";
${sites.map(([site, server]) => `    "${server}" ${site};`).join('\n')}
  }
  server {
    listen ${places.frontend};
    location / {
      proxy_pass http://$${VARIABLE};
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      add_header X-Standby-Site $standby_site always;
    }
  }
  server {
    listen ${places.status};
    location = /active { return 200 "$${VARIABLE}"; }
  }
}
`
}
