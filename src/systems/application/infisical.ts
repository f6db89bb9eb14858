import { isObject, type Json } from '../../values/json.ts'
import type { ApplicationProfile } from './profile.ts'

const LOGIN = '/api/v1/auth/universal-auth/login'
const SECRETS = '/api/v4/secrets/'

/** Infisical: a machine identity (universal auth) logs in, and reads one secret of a project. */
export const infisical: ApplicationProfile = {
  login: ({ clientId, clientSecret }) => ({
    method: 'POST',
    path: LOGIN,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ clientId, clientSecret }),
  }),
  tokenIn: (body) => textAt(body, ['accessToken']),
  secret({ project, environment, name }, token) {
    const query = new URLSearchParams({ projectId: project, environment, secretPath: '/' })
    return {
      method: 'GET',
      path: `${SECRETS}${encodeURIComponent(name)}?${query}`,
      headers: { authorization: `Bearer ${token}` },
    }
  },
  valueIn: (body) => textAt(body, ['secret', 'secretValue']),
  // The image brings node, because the application is a node program.
  program: `
let text = ''
process.stdin.setEncoding('utf8')
process.stdin.on('data', (part) => { text += part; try { JSON.parse(text) } catch { return } go(JSON.parse(text)).then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1) }) })
async function go(ask) {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ clientId: ask.clientId, clientSecret: ask.clientSecret }), signal: AbortSignal.timeout(5000) }
  const login = await fetch(ask.base + '${LOGIN}', post)
  if (!login.ok) return console.log(JSON.stringify({ step: 'login', status: login.status }))
  const { accessToken } = await login.json()
  const query = new URLSearchParams({ projectId: ask.project, environment: ask.environment, secretPath: '/' })
  const secret = await fetch(ask.base + '${SECRETS}' + encodeURIComponent(ask.name) + '?' + query, { headers: { authorization: 'Bearer ' + accessToken }, signal: AbortSignal.timeout(5000) })
  if (!secret.ok) return console.log(JSON.stringify({ step: 'read', status: secret.status }))
  const sha256 = require('node:crypto').createHash('sha256').update((await secret.json()).secret.secretValue).digest('hex')
  console.log(JSON.stringify({ step: 'read', status: 200, sha256 }))
}
`,
}

function textAt(body: string, path: readonly string[]): string | null {
  let at: Json | undefined
  try {
    at = JSON.parse(body) as Json
  } catch {
    return null
  }
  for (const name of path) at = isObject(at) ? at[name] : undefined
  return typeof at === 'string' ? at : null
}
