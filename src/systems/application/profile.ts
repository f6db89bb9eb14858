/**
 * What Standby knows of one application, such as Infisical: how its canary is read. All else that an application proves
 * is declared in the stack file, so that a driver of applications names none.
 */
export interface ApplicationProfile {
  /** The first of two questions: it fails where the client secret was revoked. */
  login(request: CanaryRequest): CanaryQuestion
  /** Out of the answer to it; null: it holds none. */
  tokenIn(body: string): string | null
  /** The second question: the secret itself, as the application decrypts it. */
  secret(request: CanaryRequest, token: string): CanaryQuestion
  /** Out of the answer to it; null: it holds none. */
  valueIn(body: string): string | null
  /**
   * Both questions as a program for `node -e`, for a place where the application's own runtime is all there is. It
   * reads a {@link CanaryRequest} without `expected` as JSON from stdin, and prints a {@link CanaryAnswer} as JSON.
   */
  readonly program: string
}

/** All that is needed to ask for a canary. It holds secrets. */
export interface CanaryRequest {
  /** The address of the application: `http://127.0.0.1:8080`. */
  readonly base: string
  readonly clientId: string
  readonly clientSecret: string
  readonly project: string
  readonly environment: string
  readonly name: string
  /** SHA-256 of its value, in lower case. */
  readonly expected: string
}

/** One question over HTTP to the application. */
export interface CanaryQuestion {
  readonly method: 'GET' | 'POST'
  /** After the address of the application: it begins with a slash. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** The answer about a canary. The value stays where it was read: `sha256` is its hash, absent where none was read. */
export interface CanaryAnswer {
  readonly status: number
  readonly sha256?: string
  readonly step: 'login' | 'read'
}
