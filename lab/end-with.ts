/**
 * Ends this process with the exit code that a script comes to, or with 1 and what went wrong. Whatever still runs ends
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
