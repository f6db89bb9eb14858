import { expect, test } from '@jest/globals'
import { parse, stringify } from 'yaml'
import type { JsonObject } from '../../../src/values/json.ts'
import { problemsOf, textOfStack } from '../../support/published-stacks.ts'

/** The data of the stack on machines, and an application on Kubernetes beside it, as the guides join them. */
function joined(environment: Readonly<Record<string, string>> | null): string {
  const onMachines = parse(textOfStack('infisical-on-premise')) as Record<string, JsonObject>
  const onKubernetes = parse(textOfStack('infisical-kubernetes')) as Record<string, JsonObject>
  const [clusterSite] = Object.values(onKubernetes.sites ?? {}) as JsonObject[]
  const { application: _, ...state } = onMachines.components ?? {}
  const { restoreTest: __, ...release } = (onKubernetes.components?.application ?? {}) as JsonObject
  const sites = Object.fromEntries(
    Object.entries(onMachines.sites ?? {}).map(([name, site]) => {
      const kubernetes = clusterSite?.kubernetes as JsonObject
      return [
        name,
        {
          ...(site as JsonObject),
          kubernetes: { ...kubernetes, clusterId: `0b0b0b0b-0000-4000-8000-00000000000${name.charCodeAt(3) % 10}` },
        },
      ]
    }),
  )
  const application = {
    ...release,
    needs: ['database'],
    mustMatch: undefined,
    ...(environment === null ? {} : { restoreTest: { secret: 'application-keys', environment } }),
  }
  return stringify({ ...onMachines, sites, components: { ...state, application } }, { aliasDuplicateObjects: false })
}
const ofRestoreTest = (text: string): string[] =>
  problemsOf(text)
    .map(({ path, what }) => `${path}: ${what}`)
    .filter((line) => line.includes('restoreTest'))

test('a restore test on Kubernetes that reads a copy on machines is refused at load: no sandbox has a way out', () => {
  const url = 'postgresql://${database.user}:${database.password}@${database.host}:${database.port}/x'
  expect(ofRestoreTest(joined({ DB_CONNECTION_URI: url }))).toEqual([
    expect.stringContaining(
      'components.application.restoreTest.environment.DB_CONNECTION_URI: reads the copy of database, which is restored in the sandbox of hosts; application is tested in that of kubernetes',
    ),
  ])
})

test('an application on Kubernetes that starts on no copy of the machines is taken', () => {
  expect(problemsOf(joined(null)).map(({ path, what }) => `${path}: ${what}`)).toEqual([])
})
