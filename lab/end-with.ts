/**
 * Ends this process with the exit code of a script, or with 1 and the error. What still runs in the process ends
 * too.
 */
export function endWith(script: Promise<number>): void {
  script.then(
    (code) => process.exit(code),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
      process.exit(1)
    },
  )
}
