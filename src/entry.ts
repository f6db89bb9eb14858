/** What the stubs in `dist/` call. Each operation is loaded only when it is asked for: a status waits for nothing that a deploy needs. */
const actions = {
  status: () => import('./actions/status.ts'),
  deploy: () => import('./actions/deploy.ts'),
  failover: () => import('./actions/failover.ts'),
  'verify-backup': () => import('./actions/verify-backup.ts'),
} as const

export type ActionName = keyof typeof actions

/** Runs one action to its end, with the inputs that the runner has put into the environment. */
export async function runAction(name: ActionName): Promise<void> {
  const { main } = await actions[name]()
  await main()
}

/** Runs the command line with the arguments of this process. */
export async function runCli(): Promise<void> {
  const { main } = await import('./cli/main.ts')
  await main(process.argv.slice(2))
}
