import { describe, expect, test } from '@jest/globals'
import { readConfiguration } from '../../../lab/application/configuration.ts'

const complete = {
  ENCRYPTION_KEY: '0123456789abcdef0123456789abcdef',
  AUTH_SECRET: 'secret',
  DB_CONNECTION_URI: 'postgresql://app@db/app',
  REDIS_URL: 'redis://cache',
}
const rootKey = Buffer.alloc(32, 7).toString('base64')

describe('the environment of the application', () => {
  test('names everything that is missing at once', () => {
    expect(() => readConfiguration({})).toThrow(
      'Invalid environment variables: DB_CONNECTION_URI is required; REDIS_URL is required; ' +
        'ENCRYPTION_KEY or ROOT_ENCRYPTION_KEY is required; AUTH_SECRET is required',
    )
  })

  test('all modes run unless a name says otherwise', () => {
    expect([...readConfiguration(complete).runModes]).toEqual(['api', 'general-workers', 'secret-scanning'])
  })

  test('a passive site runs the API alone, by the newer name and by the older one', () => {
    expect([...readConfiguration({ ...complete, INFISICAL_RUN_MODES: 'api' }).runModes]).toEqual(['api'])
    expect([...readConfiguration({ ...complete, QUEUE_WORKERS_ENABLED: 'false' }).runModes]).toEqual(['api'])
  })

  test('an unknown run mode refuses, because a typo would start the workers', () => {
    expect(() => readConfiguration({ ...complete, INFISICAL_RUN_MODES: 'api,worker' })).toThrow('not worker')
  })

  test('Hanzo KMS gives its keys in base64, one for each organization', () => {
    const { ENCRYPTION_KEY: _, ...without } = complete
    const configuration = readConfiguration({
      ...without,
      ROOT_ENCRYPTION_KEY: rootKey,
      ORG_ENCRYPTION_KEYS: JSON.stringify({ standby: rootKey }),
      KMS_PRIMARY_INSTANCE_URL: 'http://primary',
    })
    expect(configuration.environmentKey).toHaveLength(32)
    expect([...configuration.organizationKeys.keys()]).toEqual(['standby'])
    expect(configuration.primaryInstanceUrl).toBe('http://primary')
  })

  test.each([
    ['ENCRYPTION_KEY', 'short'],
    ['ROOT_ENCRYPTION_KEY', 'c2hvcnQ='],
    ['ORG_ENCRYPTION_KEYS', '{'],
    ['ORG_ENCRYPTION_KEYS', '{"standby":"c2hvcnQ="}'],
  ])('a malformed %s refuses and is not repeated', (name, value) => {
    const env = {
      ...complete,
      ENCRYPTION_KEY: name === 'ENCRYPTION_KEY' ? value : undefined,
      ROOT_ENCRYPTION_KEY: rootKey,
      [name]: value,
    }
    expect(() => readConfiguration(env)).toThrow(name)
    expect(() => readConfiguration(env)).not.toThrow(value.length > 3 ? value : 'no such text')
  })
})
