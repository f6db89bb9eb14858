import type { GitHubClient } from '../clients/github.ts'
import { withinDeadline } from '../clients/within-deadline.ts'
import { siteError } from '../errors/standby-error.ts'
import { seconds } from '../values/duration.ts'

/** A move is not held up for a figure of its evidence. */
const PATIENCE = seconds(3)
const late = (): Error => siteError('github-unreachable', 'the jobs were not listed in time')

/**
 * When GitHub started this job, which its environment held back until it was approved; ISO 8601. GitHub says who
 * approved, and nowhere when: this is the first instant that is known to lie behind it, with the wait for a free runner
 * in between. For the evidence alone: null where it cannot be read, and no reason to refuse.
 */
export async function jobStart(of: {
  readonly github: Pick<GitHubClient, 'jobs'>
  /** GITHUB_RUN_ID, RUNNER_NAME. */
  readonly env: Readonly<Record<string, string | undefined>>
}): Promise<string | null> {
  const run = Number(of.env.GITHUB_RUN_ID)
  const runner = of.env.RUNNER_NAME
  if (!Number.isSafeInteger(run) || runner === undefined || runner === '') return null
  const jobs = await withinDeadline(PATIENCE, [], () => of.github.jobs(run), late).catch(() => [])
  // A runner does one job at a time: of this run, the one that it is at is ours.
  const ours = jobs.filter((job) => job.status === 'in_progress' && job.runner_name === runner)
  return ours.length === 1 ? (ours[0]?.started_at ?? null) : null
}
