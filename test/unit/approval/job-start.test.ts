import { expect, test } from '@jest/globals'
import { jobStart } from '../../../src/approval/job-start.ts'
import type { GitHubJob } from '../../../src/clients/github.ts'
import { siteError } from '../../../src/errors/standby-error.ts'

const job = (runner_name: string | null, started_at: string | null, status = 'in_progress'): GitHubJob => ({
  runner_name,
  started_at,
  status,
})
const env = { GITHUB_RUN_ID: '7', RUNNER_NAME: 'runner-1' }
const startOf = (jobs: readonly GitHubJob[], of: Readonly<Record<string, string>> = env): Promise<string | null> =>
  jobStart({ github: { jobs: async () => jobs }, env: of })

test('the job that this runner is at is the one that was held back: not the plan job, which ran there before', async () => {
  const jobs = [
    job('runner-1', '2026-11-21T06:00:00Z', 'completed'),
    job('runner-1', '2026-11-21T06:09:00Z'),
    job('runner-2', 'x'),
  ]
  expect(await startOf(jobs)).toBe('2026-11-21T06:09:00Z')
})

test('what is not certain is not known', async () => {
  expect(await startOf([])).toBeNull()
  expect(await startOf([job('runner-1', 'a'), job('runner-1', 'b')])).toBeNull()
  expect(await startOf([job(null, 'a')])).toBeNull()
  expect(await startOf([job('runner-1', 'a')], { GITHUB_RUN_ID: '7' })).toBeNull()
})

test('a GitHub that does not answer this refuses nothing', async () => {
  const github = { jobs: () => Promise.reject(siteError('github-unreachable', 'no answer')) }
  expect(await jobStart({ github, env })).toBeNull()
})
