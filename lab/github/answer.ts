/** One answer of the fake: `body` undefined is an answer without content. */
export interface Answer {
  readonly status: number
  readonly body?: object
}

const documentation = 'https://docs.github.com/rest'

export const ok = (body: object): Answer => ({ status: 200, body })
export const problem = (status: number, message: string): Answer => ({
  status,
  body: { message, documentation_url: documentation, status: String(status) },
})
/** Also for what the token may not see: GitHub does not tell these apart. */
export const notFound: Answer = problem(404, 'Not Found')
