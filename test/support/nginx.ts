import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { runProcess } from '../../src/clients/process.ts'
import type { SshRunner } from '../../src/clients/ssh.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import { needs } from './needs.ts'
import { freePorts, startServer } from './server-process.ts'

needs('nginx')

const run = promisify(execFile)

/** Of `/slow`, which takes ten seconds. */
export const SLOW_BYTES = 1_000_000

export interface NginxHost {
  /** Through the frontend. Answers name their site in `X-Standby-Site`. */
  readonly url: string
  readonly file: string
  readonly status: string
  readonly pid: string
  readonly command: string
  /** Runs a command as ssh would; fails as ssh does once the host is unplugged. */
  readonly runner: SshRunner
  unplugged: boolean
  /** Called before each command of the runner: to break in between. */
  onCommand: (command: string) => void
  restart(): Promise<void>
  stop(): Promise<void>
}

/** A real NGINX with two workers and a private configuration; its upstreams are two sites of its own. */
export async function startNginx(content = ''): Promise<NginxHost> {
  const home = mkdtempSync(join(tmpdir(), 'standby-nginx-'))
  const [port = 0, statusPort = 0, a = 0, b = 0] = await freePorts(4)
  const [file, configuration] = [join(home, 'standby', 'active.conf'), join(home, 'nginx.conf')]
  for (const folder of ['standby', 'temp']) mkdirSync(join(home, folder))
  writeFileSync(file, content)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${home}/temp/${name};`,
  )
  const site = (name: string, at: number): string => `server { listen 127.0.0.1:${at};
    location / { add_header X-Standby-Site ${name} always; return 200 "${name}\\n"; }
    location /slow { add_header X-Standby-Site ${name} always; limit_rate 100k; alias ${home}/slow; } }`
  writeFileSync(join(home, 'slow'), 'x'.repeat(SLOW_BYTES))
  writeFileSync(
    configuration,
    `worker_processes 2; pid ${home}/pid; error_log ${home}/error.log; daemon off;
     events { worker_connections 64; }
     http { access_log off; ${temporary.join(' ')}
       # Defaults, so that a file without a value of this stack is no broken configuration.
       map "" $standby_default { default none; }
       include ${home}/standby/*.conf;
       upstream be-a { server 127.0.0.1:${a}; }
       upstream be-b { server 127.0.0.1:${b}; }
       upstream none { server 127.0.0.1:9 down; }
       server { listen 127.0.0.1:${port}; proxy_buffering off; location / { proxy_pass http://$standby_active; } }
       server { listen 127.0.0.1:${statusPort}; location = /active { return 200 "$standby_active"; } }
       ${site('dc-a', a)} ${site('dc-b', b)} }`,
  )
  const command = `/usr/sbin/nginx -p ${home} -c ${configuration}`
  const start = () =>
    startServer('/usr/sbin/nginx', ['-p', home, '-c', configuration], {
      answers: async () => (await fetch(`http://127.0.0.1:${statusPort}/active`)).ok,
    })
  let server = await start()
  const host: NginxHost = {
    url: `http://127.0.0.1:${port}/`,
    file,
    status: `http://127.0.0.1:${statusPort}/active`,
    pid: `${home}/pid`,
    command,
    unplugged: false,
    onCommand: () => undefined,
    runner: {
      async run(line, stdin = '', deadline = 10_000) {
        if (host.unplugged)
          throw siteError('ssh-unreachable', 'the host does not answer: Connection refused', { retry: 'transient' })
        host.onCommand(line)
        return runProcess('sh', ['-c', line], { deadline, input: stdin })
      },
      close: async () => undefined,
    },
    async restart() {
      await server.stop()
      server = await start()
    },
    async stop() {
      const master = readFileSync(`${home}/pid`, 'utf8').trim()
      await server.stop()
      // Workers that are shutting down outlive a fast stop by the moment that their last request takes.
      while (
        await run('pgrep', ['-P', master]).then(
          () => true,
          () => false,
        )
      )
        await pause(50)
      rmSync(home, { recursive: true, force: true })
    },
  }
  return host
}
