/** Why the server does not start; its message is the last line of the log before exit code 1. */
export class BootRefused extends Error {
  readonly reasonCode: string

  constructor(reasonCode: string, message: string) {
    super(message)
    this.reasonCode = reasonCode
  }
}
