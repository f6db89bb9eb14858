import { availableParallelism } from 'node:os'
import { joinedPackages } from './test/support/joined-packages.ts'

const moduleNameMapper = await joinedPackages()

/** One configuration, one project per kind of test: `npm test` runs all, `npm run test:unit` and so on run one. */
const project = (name, more = {}) => ({
  displayName: name,
  testEnvironment: '<rootDir>/test/support/no-shorter-limits.js',
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper,
  transform: { '^.+\\.ts$': '<rootDir>/test/support/transform.js' },
  ...more,
})

/** What shares the lab, or asserts how long a process takes: one file at a time, after all others. */
const serially = { runner: '<rootDir>/test/support/serial-runner.js' }

/**
 * Half of the time of a test file is waiting: for a server, a deadline, a process. Where no file is skipped, real
 * servers work beside the tests. Jest takes '200%' for 200 workers.
 */
const filesPerProcessor = process.env.STANDBY_SKIP_WITHOUT_SERVERS === '1' ? 2 : 1.5

/** Acceptance tests that assert how long a process takes. */
const TIMED = ['guard-process', 'silent-sites']

// biome-ignore lint/style/noDefaultExport: Jest reads its configuration from the default export
export default {
  reporters: ['default', 'summary', '<rootDir>/test/support/closing-line.js'],
  // A test that hangs, not one that is slow on a machine with other work: what may take no longer is asserted.
  testTimeout: 180_000,
  maxWorkers: Math.ceil(filesPerProcessor * availableParallelism()),
  testSequencer: '<rootDir>/test/support/lab/last.js',
  projects: [
    project('unit'),
    project('model'),
    project('conformance'),
    project('contract'),
    project('acceptance', { testPathIgnorePatterns: TIMED }),
    project('acceptance', { ...serially, testMatch: TIMED.map((name) => `<rootDir>/test/acceptance/${name}.test.ts`) }),
    project('workflows'),
    project('lab', {
      ...serially,
      globalSetup: '<rootDir>/test/support/lab/setup.js',
      setupFilesAfterEnv: ['<rootDir>/test/support/lab/up.js'],
      globalTeardown: '<rootDir>/test/support/lab/teardown.js',
    }),
    // Whole stories of several minutes in the lab: `npm run lab:stories`.
    ...(process.env.STANDBY_STORIES === undefined
      ? []
      : [
          project('stories', {
            ...serially,
            globalSetup: '<rootDir>/test/support/lab/setup.js',
            setupFilesAfterEnv: ['<rootDir>/test/support/lab/up.js'],
            globalTeardown: '<rootDir>/test/support/lab/teardown.js',
          }),
        ]),
  ],
}
