import { createHash } from 'node:crypto'
import type { HostRunner } from '../../systems/traffic/hosts.ts'
import type { Held, Reading } from '../../systems/traffic/load-balancers.ts'
import { codes } from './codes.ts'
import type { NginxSpec } from './spec.ts'

/** `runtime`: what its workers answer, null where their answers differ or say nothing. */
export interface InstanceState extends Held {
  /** Workers of an earlier configuration: they serve their open connections as before. */
  readonly oldWorkers: number
}
export interface InstanceReading extends Reading<InstanceState> {
  /** The whole file, for the next write of it; empty where there is none. */
  readonly content: string
}

/** A heading between the answers of one ssh call. */
const MARK = '--standby--'
/** Answers of the running workers that must agree: after a reload old and new ones answer side by side. */
const ANSWERS = 5

/** Reads the file, what the running workers answer, and how many of an earlier configuration are left, in one call. */
export async function readInstance(
  run: HostRunner,
  host: string,
  spec: NginxSpec,
  signal: AbortSignal,
): Promise<InstanceReading> {
  const answer = await run(
    [
      `cat '${spec.file}' 2>/dev/null; echo '${MARK}'`,
      `for one in $(seq ${ANSWERS}); do curl -sS --fail --max-time 2 '${spec.status}' || exit 1; echo; done`,
      `echo '${MARK}'; ${findOldWorkers(spec)}; set -- $pids; echo $#`,
    ].join('; '),
    '',
    signal,
  )
  const [content, answers, workers] = answer.stdout.split(`${MARK}\n`)
  if (answer.code !== 0 || content === undefined || answers === undefined || workers === undefined)
    throw unreadable(host, spec, answer.stderr || answer.stdout)
  const oldWorkers = Number(workers.trim() || Number.NaN)
  if (!Number.isInteger(oldWorkers)) throw unreadable(host, spec, workers)
  const said = new Set(answers.split('\n').filter((line) => line.trim() !== ''))
  const [only = null] = said
  return {
    view: {
      runtime: said.size === 1 ? (only?.trim() ?? null) : null,
      file: valueIn(content, spec.variable),
      oldWorkers,
    },
    content,
  }
}

/**
 * Puts their process ids into `$pids`. Their title is nginx's own (ngx_worker_process_cycle); the bracket keeps the
 * search from finding itself. A search that fails ends the command: it must not count as none. `pgrep` ends with 1
 * where it finds none, and with more where it cannot search.
 */
const findOldWorkers = ({ pid = '/run/nginx.pid' }: NginxSpec): string =>
  [
    `master=$(cat '${pid}')`,
    `{ [ -n "$master" ] && [ -d "/proc/$master" ]; } || { echo "${pid} names no process" >&2; exit 1; }`,
    `pids=$(pgrep -P "$master" -f '[n]ginx: worker process is shutting down'); [ $? -le 1 ] || exit 1`,
  ].join('; ')

const LINE = /^map "" \$([a-z][a-z0-9_]*) \{ default ([A-Za-z0-9_.:-]+); \}$/

/** The value that a file gives the variable; null where it gives none. */
export function valueIn(content: string, variable: string): string | null {
  for (const line of content.split('\n')) {
    const [, name, value] = LINE.exec(line.trim()) ?? []
    if (name === variable) return value ?? null
  }
  return null
}

/** The file with the value set; lines of other stacks stay as they are. */
export function withValue(content: string, variable: string, value: string): string {
  const line = `map "" $${variable} { default ${value}; }`
  const others = content.split('\n').filter((one) => one.trim() !== '' && LINE.exec(one.trim())?.[1] !== variable)
  return `${[...others, line].join('\n')}\n`
}

/** Exit codes of {@link replacing}: another writer was faster; NGINX refuses the file, which is as it was before. */
const OVERTAKEN = 75
const REFUSED = 76
const MAX_TRIES = 5

/**
 * Writes the file, has NGINX test and read it, and ends the workers of the earlier configuration: a reload is not
 * atomic, they go on with their open connections, and take new ones for a moment. Returns how many of them are left.
 * A file that NGINX refuses is put back: a restart would end with no load balancer at all.
 */
export async function setValue(
  run: HostRunner,
  host: string,
  spec: NginxSpec,
  to: { readonly value: string; readonly before: InstanceReading },
  signal: AbortSignal,
): Promise<number> {
  if (to.before.view.file !== to.value) await writeValue(run, host, spec, to, signal)
  const reloaded = await run(`${spec.command ?? 'nginx'} -s reload`, '', signal)
  if (reloaded.code !== 0) throw refused(host, reloaded.stderr || reloaded.stdout)
  // Two seconds are for the requests under way; what is open after them is ended.
  const ending = [
    `for one in $(seq 20); do ${findOldWorkers(spec)}; [ -z "$pids" ] && break; sleep 0.1; done`,
    `[ -z "$pids" ] || { ${becoming(spec)}kill -TERM $pids; sleep 0.2; }`,
    `${findOldWorkers(spec)}; set -- $pids; echo $#`,
  ].join('; ')
  const ended = await run(ending, '', signal)
  const left = Number(ended.stdout.trim() || Number.NaN)
  if (ended.code !== 0 || !Number.isInteger(left)) throw unreadable(host, spec, ended.stderr || ended.stdout)
  return left
}

/** Workers belong to another user than the one who logs in: who may call NGINX by sudo may end its old workers so. */
const becoming = ({ command = '' }: NginxSpec): string => (/^sudo( -n)? /.exec(command) ? 'sudo -n ' : '')

async function writeValue(
  run: HostRunner,
  host: string,
  spec: NginxSpec,
  { value, before }: { readonly value: string; readonly before: InstanceReading },
  signal: AbortSignal,
): Promise<void> {
  let { content } = before
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const written = await run(replacing(spec, content), withValue(content, spec.variable, value), signal)
    if (written.code === 0) return
    if (written.code === REFUSED) throw refused(host, written.stderr || written.stdout)
    if (written.code !== OVERTAKEN) throw unwritable(host, spec, written.stderr)
    content = (await readInstance(run, host, spec, signal)).content
  }
  throw unwritable(host, spec, `it was changed by another writer ${MAX_TRIES} times while it was written`)
}

/**
 * Replaces the file by the standard input, whole or not at all, if its content is still the one that was read, and only
 * by what NGINX accepts.
 */
function replacing(spec: NginxSpec, content: string): string {
  const digest = createHash('sha256').update(content).digest('hex')
  const file = `'${spec.file}'`
  return [
    `{ flock -w 4 9 || exit ${OVERTAKEN}`,
    `[ "$(cat ${file} 2>/dev/null | sha256sum)" = '${digest}  -' ] || exit ${OVERTAKEN}`,
    `rm -f ${file}.before; [ ! -e ${file} ] || cp -p ${file} ${file}.before || exit 1`,
    `cat > ${file}.standby && mv ${file}.standby ${file} || exit 1`,
    `if ${spec.command ?? 'nginx'} -t -q; then rm -f ${file}.before; exit 0; fi`,
    `if [ -e ${file}.before ]; then mv ${file}.before ${file}; else rm ${file}; fi; exit ${REFUSED}`,
    `} 9< "$(dirname ${file})"`,
  ].join('\n')
}

const refused = (host: string, why: string) =>
  codes.error('nginx-refused', `${host}: ${lastWords(why)}`, {
    where: host,
    retry: 'never',
    next: 'Correct nginx.conf (nginx -t says where); it must include the file in its http block and know the upstreams.',
  })
const unreadable = (host: string, { status, file, pid = '/run/nginx.pid' }: NginxSpec, why: string) =>
  codes.error('nginx-unreadable', `${host} does not show its state: ${lastWords(why)}`, {
    where: host,
    retry: 'transient',
    next: `Check that NGINX runs and answers ${status} on its host (with curl), that ${file} and ${pid} can be read, and that the host has pgrep.`,
  })
const unwritable = (host: string, { file }: NginxSpec, why: string) =>
  codes.error('nginx-file-unwritable', `${host}: ${file} cannot be written: ${lastWords(why)}`, {
    where: host,
    retry: 'never',
    next: 'The ssh user needs write access to the file and its folder.',
  })
const lastWords = (said: string): string => said.trim().split('\n').slice(-3).join(' ')
