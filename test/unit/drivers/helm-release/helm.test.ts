import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { runProcess } from '../../../../src/clients/process.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { withHelm } from '../../../../src/drivers/helm-release/helm.ts'
import { openKubernetes } from '../../../../src/platform/kubernetes/client/open.ts'
import { type ApiServer, startApiServer } from '../../../support/api-server.ts'
import { binary } from '../../../support/binaries.ts'
import { needs } from '../../../support/needs.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import { toyStack } from '../../../support/toy-stack.ts'

needs('helm')

jest.setTimeout(90_000)

const dcA = 'dc-a' as SiteName
const own = { ...process.env }
let api: ApiServer
let folder: string
beforeAll(async () => {
  api = await startApiServer()
  folder = temporaryFolder()
  // As on a person's machine: a login that lies in the home folder, a program that reads it, and a certificate beside
  // the kubeconfig.
  mkdirSync(join(folder, 'home'))
  writeFileSync(join(folder, 'home', 'login'), 'admin-token')
  writeFileSync(join(folder, 'ca.crt'), Buffer.from(api.caData, 'base64'))
  const token =
    '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"\'"$(cat "$HOME/login")"\'"}}'
  writeFileSync(join(folder, 'login.sh'), `#!/bin/sh\necho '${token}'\n`)
  chmodSync(join(folder, 'login.sh'), 0o700)
  writeFileSync(
    join(folder, 'kubeconfig'),
    `apiVersion: v1
kind: Config
current-context: elsewhere
contexts:
- { name: elsewhere, context: { cluster: nowhere, user: test } }
- { name: right, context: { cluster: test, user: test } }
clusters:
- { name: nowhere, cluster: { server: "https://127.0.0.1:1" } }
- { name: test, cluster: { server: "${api.url}", certificate-authority: ca.crt } }
users:
- name: test
  user: { exec: { apiVersion: client.authentication.k8s.io/v1, command: ${join(folder, 'login.sh')}, interactiveMode: Never, env: [{ name: ANY, value: any }] } }
`,
  )
  Object.assign(process.env, {
    HOME: join(folder, 'home'),
    STANDBY_HELM: await binary('helm'),
    HELM_KUBECONTEXT: 'elsewhere',
    HELM_KUBEAPISERVER: 'https://127.0.0.1:1',
    HELM_NAMESPACE: 'elsewhere',
  })
}, 120_000)
afterAll(async () => {
  process.env = own
  await api.stop()
})

describe('helm', () => {
  test('reaches the cluster that our own client reaches: logins, files beside the kubeconfig and its context included', async () => {
    const signal = AbortSignal.timeout(60_000)
    const kubernetes = openKubernetes({ site: dcA, kubeconfig: join(folder, 'kubeconfig'), context: 'right', signal })
    expect(await kubernetes.version()).toMatch(/^v1/)
    const context = {
      stack: { ...toyStack, source: { ...toyStack.source, directory: folder } },
      signal,
      kubeconfig: () => kubernetes.kubeconfig?.(),
      run: runProcess,
    } as unknown as DriverContext
    expect(await withHelm(dcA, context, (helm) => helm(['list', '--all-namespaces', '--output', 'json']))).toBe('[]\n')
  })
})
