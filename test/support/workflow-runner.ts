import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { runProcess } from '../../src/clients/process.ts'

const project = resolve(import.meta.dirname, '..', '..')
const PUBLISHED = 'standby-dr/standby'
const COMMIT = '0000000000000000000000000000000000000000'

/** A repository of a user: a stack file and a copied caller template, with act as its GitHub. */
export interface UserRepository {
  /** Its only commit, on the branch main. */
  readonly sha: string
  run(workflow: string, options: WorkflowRun): Promise<{ readonly code: number; readonly log: string }>
  remove(): Promise<void>
}

export interface WorkflowRun {
  readonly act: string
  readonly inputs: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  readonly onLine?: (line: string) => void
}

/**
 * What a user does: copies a caller template beside the stack file, and pins the reusable workflow. The artifact store
 * is a folder. act ignores environments, their secrets and concurrency; what they are for, the action reads back from
 * GitHub's API.
 */
export async function userRepository(stackFolder: string, workflow: string): Promise<UserRepository> {
  const folder = await mkdtemp(join(tmpdir(), 'standby-user-'))
  const [repository, library, artifacts] = [join(folder, 'stacks'), join(folder, 'standby'), join(folder, 'artifacts')]
  await cp(stackFolder, repository, { recursive: true, filter: (path) => !/(secrets|canary)\.json$/.test(path) })
  await place(
    join(repository, '.github', 'workflows', workflow),
    await readFile(join(project, 'workflows', workflow), 'utf8'),
  )
  for (const name of ['actions', 'dist', '.github'])
    await cp(join(project, name), join(library, name), { recursive: true })
  const reusable = join(library, '.github', 'workflows', workflow)
  await place(reusable, knownToAct(await readFile(reusable, 'utf8')))
  const store = await artifactActions(join(folder, 'store'), artifacts, await readFile(reusable, 'utf8'))
  const sha = await commitAll(repository)
  const local = [`${PUBLISHED}@${COMMIT}=${library}`, ...store].flatMap((mapping) => ['--local-repository', mapping])
  return {
    sha,
    run: (file, options) => runAct(repository, [`.github/workflows/${file}`, ...local], options),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/**
 * Two words of GitHub are newer than act: `$/`, an action beside the reusable workflow, and the queue of a concurrency
 * group.
 */
const knownToAct = (workflow: string): string =>
  workflow
    .replaceAll(/uses: \$\/(actions\/[\w-]+)$/gm, `uses: ${PUBLISHED}/$1@${COMMIT}`)
    .replaceAll(/^ +queue: max\n/gm, '')

/** Stand-ins for GitHub's two artifact actions, at the commits that the workflow pins. */
async function artifactActions(folder: string, artifacts: string, workflow: string): Promise<string[]> {
  await mkdir(artifacts, { recursive: true })
  const scripts = {
    'upload-artifact': `mkdir -p "${artifacts}/$NAME" && cp "$FILE" "${artifacts}/$NAME/"`,
    'download-artifact': `cp "${artifacts}/$NAME/"* .`,
  }
  return Promise.all(
    Object.entries(scripts).map(async ([name, script]) => {
      const [, commit] = new RegExp(`uses: actions/${name}@([0-9a-f]{40})`).exec(workflow) ?? []
      if (commit === undefined) throw new Error(`the workflow pins no actions/${name}`)
      const step = { shell: 'bash', run: script, env: { NAME: '${{ inputs.name }}', FILE: '${{ inputs.path }}' } }
      const inputs = { name: { required: true }, path: { required: false }, 'if-no-files-found': { required: false } }
      await place(
        join(folder, name, 'action.yml'),
        JSON.stringify({ name, description: name, inputs, runs: { using: 'composite', steps: [step] } }),
      )
      return `actions/${name}@${commit}=${join(folder, name)}`
    }),
  )
}

async function place(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}

async function commitAll(repository: string): Promise<string> {
  const identity = ['-c', 'user.name=operator', '-c', 'user.email=operator@example.com', '-c', 'commit.gpgsign=false']
  const git = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProcess('git', ['-C', repository, ...identity, ...args], {
      deadline: 20_000,
    })
    if (code !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
    return stdout.trim()
  }
  await git('init', '--quiet', '--initial-branch=main')
  await git('remote', 'add', 'origin', 'https://github.com/lab/stacks.git')
  await git('add', '--all')
  await git('commit', '--quiet', '--message=stack')
  return git('rev-parse', 'HEAD')
}

async function runAct(
  repository: string,
  [file = '', ...mappings]: string[],
  run: WorkflowRun,
): Promise<{ code: number; log: string }> {
  const each = (flag: string, pairs: Readonly<Record<string, string>>): string[] =>
    Object.entries(pairs).flatMap(([name, value]) => [flag, `${name}=${value}`])
  const args = [
    'workflow_dispatch',
    ...['--workflows', file, '--platform', 'ubuntu-24.04=-self-hosted', '--no-cache-server'],
    ...mappings,
    ...each('--input', run.inputs),
    ...each('--env', run.env),
    // Their values come from our environment: never on a command line.
    ...Object.keys(run.secrets).flatMap((name) => ['--secret', name]),
  ]
  const path = `${dirname(process.execPath)}:${process.env.PATH ?? ''}`
  const home = join(repository, '..', 'home')
  await mkdir(home, { recursive: true })
  const child = spawn(run.act, args, {
    cwd: repository,
    env: { PATH: path, HOME: home, XDG_CACHE_HOME: join(home, '.cache'), ...run.secrets },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => {
      log += part.toString()
      for (const line of part.toString().split('\n')) run.onLine?.(line)
    })
  const code = await new Promise<number>((done) => child.once('close', (exit) => done(exit ?? 1)))
  return { code, log }
}
