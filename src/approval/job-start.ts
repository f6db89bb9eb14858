import type { GitHubClient } from '../clients/github.ts'
import { withinDeadline } from '../clients/within-deadline.ts'
import { siteError } from '../errors/standby-error.ts'
import { seconds } from '../values/duration.ts'

/** This figure is for the evidence only, so a move waits no longer for it. */
const PATIENCE = seconds(3)
const late = (): Error => siteError('github-unreachable', 'the jobs were not listed in time')

/**
 * When GitHub started this job, ISO 8601. The environment holds the job back until it is approved. GitHub says who
 * approved but not when: the start is the first known instant after the approval, later by the wait for a free runner.
 * Only for the evidence: null when it cannot be read, which refuses nothing.
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
  // A runner does one job at a time, so the job of this run that it works on is this one.
  const ours = jobs.filter((job) => job.status === 'in_progress' && job.runner_name === runner)
  return ours.length === 1 ? (ours[0]?.started_at ?? null) : null
}
