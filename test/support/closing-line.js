import { relative } from 'node:path'

/** Milliseconds. */
const LEFT_OPEN = 5 * 60_000

/**
 * Ends every run with one line that people and CI read at a glance, after what this machine could not test; on stderr,
 * where Jest writes.
 */
// biome-ignore lint/style/noDefaultExport: Jest takes a reporter from the default export
export default class ClosingLine {
  onRunComplete(_contexts, results) {
    // A suite that could not even be loaded has no failed test, and is a failure all the same.
    const failed =
      results.numFailedTests +
      results.testResults.filter((suite) => suite.testExecError !== undefined && suite.numFailingTests === 0).length
    const closing = [...skippedFiles(results), `${results.numPassedTests} passed, ${failed} failed`]
    // Jest's own summary comes after what any reporter writes here.
    process.once('exit', () => process.stderr.write(`${closing.join('\n')}\n`))
    // Jest waits for ever for what a failed test left open. Taking down the lab comes after this moment, and takes
    // less.
    const left = setTimeout(() => {
      process.stderr.write(`the tests ended ${LEFT_OPEN / 60_000} min ago, and something that they left open runs on\n`)
      process.exit(1)
    }, LEFT_OPEN)
    left.unref()
  }
}

/** One line for each file that was skipped for want of a server (`skip-without-servers.js`). */
const skippedFiles = ({ testResults }) =>
  testResults.flatMap(({ testFilePath, testResults: tests }) => {
    const reason = tests.map(({ title }) => /\(skipped: (.*)\)$/.exec(title)?.[1]).find((one) => one !== undefined)
    return reason === undefined
      ? []
      : [`skipped ${relative(process.cwd(), testFilePath)} (${tests.length} tests): ${reason}`]
  })
