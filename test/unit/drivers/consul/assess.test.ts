import { describe, expect, test } from '@jest/globals'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Finding, Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { StatesPerSite } from '../../../../src/driver/capabilities.ts'
import { consul } from '../../../../src/drivers/consul/driver.ts'
import { type ConsulState, membersSeen, summarized } from '../../../../src/drivers/consul/observe.ts'
import type { ConsulSpec, Federation } from '../../../../src/drivers/consul/spec.ts'
import { consulFixture, federation, stateOf } from '../../../conformance/fixtures/consul.ts'

const { stack } = consulFixture
const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const FAILOVER: Intent = { mode: 'failover', from: A, to: B }
const around = { now: '2026-11-21T06:00:00.000Z', objectives: stack.objectives, activeSite: 'dc-a', stack }
const SILENT: Observed<ConsulState> = { kind: 'silent', why: 'no answer within 1.0 s' }

const seen = (
  more: Partial<ConsulState> = {},
  component: Federation = federation,
): StatesPerSite<ConsulState> & { readonly 'dc-a': Observed<ConsulState> } => ({
  'dc-a': summarized(component, stateOf('dc1', 'dc1')),
  'dc-b': summarized(component, stateOf('dc2', 'dc1', more)),
})
const withSpec = (more: Partial<ConsulSpec>): Federation => ({ ...federation, spec: { ...federation.spec, ...more } })
const status = (states: StatesPerSite<ConsulState>, component: Federation = federation): Finding[] =>
  consul.assess.status(component, states, around)
const codesOf = (findings: readonly Finding[]): string[] => findings.map(({ code }) => code)
const member = (datacenter: string, more: Partial<{ status: 'alive' | 'failed' | 'left'; name: string }> = {}) => ({
  name: `db-1.${datacenter}`,
  address: '10.1.0.11',
  status: 'alive' as const,
  datacenter,
  isServer: true,
  version: '1.22.7',
  ...more,
})
const members = (...list: readonly ReturnType<typeof member>[]) => ({ is: 'known', value: list }) as const

test.each(['switchover', 'failover'] as const)(
  'a %s is not blocked by a datacenter that is neither end of it',
  (mode) => {
    const third = { 'dc-c': { datacenter: 'dc3', servers: ['https://10.3.0.11:8501'] } }
    const component = withSpec({ sites: { ...federation.spec.sites, ...third } })
    // As planning asks: with the states of the two ends.
    const findings =
      consul.assess.moves?.[mode]?.(component, seen({}, component), { mode, from: A, to: B }, around) ?? []
    expect(findings.filter(({ code }) => code.startsWith('load-balancer'))).toEqual([])
  },
)

test.each(['switchover', 'failover'] as const)(
  'a %s whose steps would wait for the silent datacenter of a third site is refused before it closes anything',
  (mode) => {
    const third = { 'dc-c': { datacenter: 'dc3', servers: ['https://10.3.0.11:8501'] } }
    const component = withSpec({ sites: { ...federation.spec.sites, ...third } })
    const blockersWith = (atThird: Observed<ConsulState>): string[] => {
      const seenAround = { ...around, elsewhere: { 'dc-c': atThird } }
      const found = consul.assess.moves?.[mode]?.(component, seen({}, component), { mode, from: A, to: B }, seenAround)
      return codesOf((found ?? []).filter(({ severity }) => severity === 'blocker'))
    }
    expect(blockersWith(SILENT)).toEqual(['load-balancer-silent'])
    expect(blockersWith(summarized(component, stateOf('dc2', 'dc1')))).toEqual([])
  },
)

describe('the status of Consul', () => {
  test('has no finding where all is well', () => {
    expect(status(seen())).toEqual([])
  })

  test('names the servers of another datacenter that a site has lost', () => {
    const states = seen({
      members: members(member('dc1', { status: 'failed' }), member('dc2')),
      reaches: { dc1: false },
    })
    expect(status(states)).toMatchObject([
      { code: 'consul-members-lost', site: 'dc-a', what: 'dc-b has lost all of dc1 over the WAN: db-1.dc1 failed' },
    ])
  })

  test('calls what a filtered list lacks unknown, and never down', () => {
    const lacking = { is: 'unknown', why: 'the token may not see all of it', because: 'filtered' } as const
    const states = seen({ members: lacking, services: { infisical: lacking }, gateways: lacking })
    expect(status(states)).toMatchObject([
      {
        code: 'consul-rights-missing',
        what: expect.stringContaining('the service infisical (service: read), the mesh gateways'),
      },
    ])
  })

  test('believes a filtered list only where it has a living server of every datacenter', () => {
    const [alive, failed] = [member('dc1'), member('dc1', { status: 'failed', name: 'db-2.dc1' })]
    const isBelieved = (...list: readonly ReturnType<typeof member>[]): boolean =>
      !membersSeen(federation, { members: [member('dc2'), ...list], isFiltered: true }).isLacking
    expect([isBelieved(alive, failed), isBelieved(failed), isBelieved()]).toEqual([true, false, false])
    const whole = { members: [member('dc2'), failed], isFiltered: false }
    expect(membersSeen(federation, whole).isLacking).toBe(false)
  })

  test('names a datacenter that has no mesh gateway', () => {
    expect(status(seen({ gateways: { is: 'known', value: [] } }))).toMatchObject([
      { code: 'consul-no-mesh-gateway', site: 'dc-b', severity: 'warning' },
    ])
  })

  test.each([
    [
      'certificate',
      { certificates: { server: '2026-11-28T06:00:00.000Z', authority: null } },
      'consul-certificate-expires',
    ],
    [
      'token',
      {
        token: {
          is: 'known',
          value: {
            accessorId: 'a',
            description: '',
            policies: [],
            expires: '2026-11-22T06:00:00Z',
            isLocal: false,
          },
        },
      },
      'consul-token-expires',
    ],
  ] as const)('warns of a %s that ends within 14 days', (_of, more, code) => {
    expect(codesOf(status(seen(more)))).toEqual([code])
  })

  test('says that a datacenter without a leader takes no write', () => {
    expect(codesOf(status(seen({ leader: { is: 'known', value: null } })))).toEqual(['consul-no-leader'])
  })

  test('names a prepared query that is another one than declared', () => {
    const queries = { infisical: { id: 'id-0', leads: null }, cache: { id: 'id-1', leads: 'dc1' } }
    expect(codesOf(status(seen({ queries: { is: 'known', value: queries } })))).toContain('consul-query-differs')
  })
})

describe('a failover from the site of the primary Consul datacenter', () => {
  const failover = (component: Federation): Finding[] =>
    consul.assess.moves?.failover?.(component, { ...seen(), 'dc-a': SILENT }, FAILOVER, around) ?? []
  const refusing = withSpec({ traffic: { ...federation.spec.traffic, redirects: { services: ['infisical'] } } })

  test('is blocked while a redirect of the mesh is declared, with the way out', () => {
    const blockers = failover(refusing).filter(({ severity }) => severity === 'blocker')
    expect(blockers).toMatchObject([
      { code: 'consul-redirect-out-of-reach', next: expect.stringContaining('whenPrimaryIsLost: leave') },
    ])
  })

  test('goes on where the redirects are declared to be left, and says so', () => {
    const findings = failover(federation)
    expect(findings.filter(({ severity }) => severity === 'blocker')).toEqual([])
    expect(codesOf(findings)).toContain('consul-redirect-out-of-reach')
  })

  test('is not concerned by redirects while another datacenter is the primary one', () => {
    expect(codesOf(failover({ ...refusing, spec: { ...refusing.spec, primary: 'dc-b' } }))).not.toContain(
      'consul-redirect-out-of-reach',
    )
  })
})

describe('Consul as a vantage point', () => {
  const says = (more: Partial<ConsulState>): string[] =>
    (consul.liveness?.signals(federation, { ...seen(more), 'dc-a': SILENT }, A) ?? []).map(({ says }) => says)

  test('says up where the other datacenter answers through it', () => {
    expect(says({})).toEqual(['up'])
  })

  test('says down only once Serf has lost every server of the other datacenter', () => {
    const lost = [member('dc1', { status: 'failed' }), member('dc1', { status: 'left', name: 'db-2.dc1' })]
    expect(says({ reaches: { dc1: false }, members: members(...lost) })).toEqual(['down'])
    expect(says({ reaches: { dc1: false }, members: members(...lost, member('dc1', { name: 'db-3.dc1' })) })).toEqual([
      'unknown',
    ])
  })

  test('has no vote where it cannot see the members of the WAN, or knows none of the other datacenter', () => {
    const hidden = { is: 'unknown', why: 'filtered', because: 'filtered' } as const
    expect(says({ reaches: { dc1: false }, members: hidden })).toEqual(['unknown'])
    expect(says({ reaches: { dc1: false }, members: members(member('dc2')) })).toEqual(['unknown'])
  })

  test('has no vote while its own datacenter is silent', () => {
    expect(consul.liveness?.signals(federation, { 'dc-a': SILENT, 'dc-b': SILENT }, A)).toEqual([])
  })
})
