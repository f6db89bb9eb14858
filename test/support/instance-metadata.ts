import { createServer } from 'node:http'

/** What a virtual machine of AWS asks for its role's login (IMDSv2), on an address that pods reach. */
export interface InstanceMetadata {
  readonly url: string
  /** Which address asked how often for keys. */
  readonly asked: ReadonlyMap<string, number>
  stop(): Promise<void>
}

const ROLE = 'the-role'
const SESSION = 'a-session'

/** Hands these keys out for an hour each, and only to who has asked for a session before, as version 2 demands. */
export async function startInstanceMetadata(
  address: string,
  keys: () => { readonly accessKeyId: string; readonly secretAccessKey: string },
): Promise<InstanceMetadata> {
  const asked = new Map<string, number>()
  const server = createServer((request, response) => {
    const from = request.socket.remoteAddress ?? 'unknown'
    const answer = (status: number, text: string): void => void response.writeHead(status).end(text)
    if (request.method === 'PUT' && request.url === '/latest/api/token') return answer(200, SESSION)
    if (request.headers['x-aws-ec2-metadata-token'] !== SESSION) return answer(401, '')
    const roles = '/latest/meta-data/iam/security-credentials/'
    if (request.url === roles) return answer(200, ROLE)
    if (request.url !== `${roles}${ROLE}`) return answer(404, '')
    asked.set(from, (asked.get(from) ?? 0) + 1)
    const { accessKeyId, secretAccessKey } = keys()
    const login = {
      Code: 'Success',
      Type: 'AWS-HMAC',
      LastUpdated: new Date().toISOString(),
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      Token: '',
      Expiration: new Date(Date.now() + 3_600_000).toISOString(),
    }
    return answer(200, JSON.stringify(login))
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(0, address, listening)
  })
  const at = server.address()
  if (at === null || typeof at === 'string') throw new Error('the server of metadata has no port')
  return {
    url: `http://${address}:${at.port}`,
    asked,
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped())
        server.closeAllConnections()
      }),
  }
}
