/** Ends every run with one line that people and CI read at a glance; on stderr, where Jest writes, so that it comes last. */
// biome-ignore lint/style/noDefaultExport: Jest takes a reporter from the default export
export default class ClosingLine {
  onRunComplete(_contexts, results) {
    // A suite that could not even be loaded has no failed test, and is a failure all the same.
    const failed =
      results.numFailedTests +
      results.testResults.filter((suite) => suite.testExecError !== undefined && suite.numFailingTests === 0).length
    // Jest's own summary comes after what any reporter writes here.
    process.once('exit', () => process.stderr.write(`${results.numPassedTests} passed, ${failed} failed\n`))
  }
}
