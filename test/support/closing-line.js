import { relative } from 'node:path'

/** Ends every run with one line that people and CI read at a glance, after what this machine could not test; on stderr, where Jest writes. */
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
  }
}

/** One line for each file that was skipped for want of a server (`skip-without-servers.js`). */
const skippedFiles = ({ testResults }) =>
  testResults.flatMap(({ testFilePath, testResults: tests }) => {
    const reason = tests.map(({ title }) => /\(skipped: (.*)\)$/.exec(title)?.[1]).find((one) => one !== undefined)
    return reason === undefined ? [] : [`skipped ${relative(process.cwd(), testFilePath)} (${tests.length} tests): ${reason}`]
  })
