import type { Finding } from '../../../domain/plan.ts'
import type { SiteName, Stack } from '../../../domain/stack.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { isObject } from '../../../values/json.ts'
import { findingsOfArchive } from '../backup/assess-archive.ts'
import { codes } from '../codes.ts'
import { answeringIn, headOf, type PatroniState, standbyLeaderIn, writerIn } from '../observe.ts'
import { isAtLeast, isInRecovery, isWritable } from '../rest-api.ts'
import { clusterNamed, type Database, otherSites, slotOf, unitOf } from '../spec.ts'
import { blocks, type Purpose } from './severities.ts'

/** What is wrong with the Patroni cluster of one site as it stands, for one purpose. Pure. */
export function findingsOfSite(
  component: Database,
  site: string,
  states: StatesPerSite<PatroniState>,
  purpose: Purpose,
  around: Assessment,
): Finding[] {
  const { stack, activeSite } = around
  const seen = states[site]
  if (seen?.kind !== 'answering') return [unseen(component, site, seen?.why, purpose)]
  const { state } = seen
  return [
    ...ofMembers(component, site, state, purpose),
    ...ofStore(component, site, state, purpose),
    ...ofRole(component, site, state, purpose, activeSite),
    ...ofConfiguration(component, site, state, purpose, stack),
    ...findingsOfArchive(component, site, state, purpose, {
      ...around,
      timeline: timelineOfActive(states, activeSite),
    }),
  ]
}

function timelineOfActive(states: StatesPerSite<PatroniState>, activeSite: string | null): number | null {
  const active = activeSite === null ? null : stateAt(states, activeSite)
  return active === null ? null : (writerIn(active)?.timeline ?? null)
}

/** `why`: absent where the site was not asked. Pure. */
export const unseen = (component: Database, site: string, why: string | undefined, purpose: Purpose): Finding =>
  codes.finding('patroni-silent', component, {
    severity: blocks('patroni-silent', purpose),
    site,
    what: `${clusterNamed(component, site)} cannot be seen: ${why ?? 'it was not asked'}`,
    next: `Look at Patroni and at the hosts of ${site}.`,
    unanswered: true,
  })

/** What is wrong with the members of a site, each by itself. Pure. */
export function ofMembers(component: Database, site: string, state: PatroniState, purpose: Purpose): Finding[] {
  const { scope } = component.spec
  return Object.entries(state.members).flatMap(([name, member]): Finding[] => {
    if (member.is === 'silent')
      return [
        codes.finding('patroni-member-silent', component, {
          severity: blocks('patroni-member-silent', purpose),
          site,
          what: `${name} does not answer: ${member.why}`,
          next: `Look at the unit ${unitOf(component)} on its host.`,
          unanswered: true,
        }),
      ]
    if (member.name !== name || member.scope !== scope)
      return [
        codes.finding('patroni-another-member', component, {
          severity: blocks('patroni-another-member', purpose),
          site,
          what: `at the address of ${name} answers ${member.name} of the scope ${member.scope}, and not ${name} of ${scope}`,
          next: 'Compare restApi in the stack file with the configuration of Patroni.',
        }),
      ]
    const say = (
      code:
        | 'patroni-failsafe'
        | 'patroni-watchdog'
        | 'patroni-restart-pending'
        | 'patroni-too-old'
        | 'patroni-replay-paused'
        | 'patroni-timeline-unknown',
      what: string,
      next: string,
    ) => codes.finding(code, component, { severity: blocks(code, purpose), site, what, next })
    return [
      ...(member.failsafe
        ? [
            say(
              'patroni-failsafe',
              `${name} runs without its store, in failsafe mode`,
              `Bring the store of ${site} back.`,
            ),
          ]
        : []),
      ...(member.watchdogFailed
        ? [
            say(
              'patroni-watchdog',
              `the watchdog of ${name} does not work: a Patroni that hangs would leave it writable`,
              `Look at the log of Patroni on ${name}.`,
            ),
          ]
        : []),
      ...(member.pendingRestart.length > 0
        ? [
            say(
              'patroni-restart-pending',
              `${name} waits for a restart (${member.pendingRestart.join(', ')})`,
              `patronictl restart ${scope} ${name}`,
            ),
          ]
        : []),
      ...(isAtLeast(member.patroni, 4, 1)
        ? []
        : [
            say(
              'patroni-too-old',
              `${name} runs Patroni ${member.patroni}: before 4.1 a demotion stops PostgreSQL at once, and the last commits may never reach the other site`,
              'Update Patroni on every member to 4.1 or newer.',
            ),
          ]),
      ...(member.replayPaused
        ? [
            say(
              'patroni-replay-paused',
              `${name} does not replay: it is paused`,
              `On ${name}: SELECT pg_wal_replay_resume();`,
            ),
          ]
        : []),
      ...(member.replication === 'streaming' && member.timeline === null
        ? [
            say(
              'patroni-timeline-unknown',
              `${name} streams, and its Patroni does not say on which timeline: a demotion would wait for it`,
              `Let the user of replication log in from ${name} itself (pg_hba of Patroni: host replication … 127.0.0.1/32).`,
            ),
          ]
        : []),
    ]
  })
}

/** What is wrong with the store of a site, as it says itself. Pure. */
export function ofStore(component: Database, site: string, state: PatroniState, purpose: Purpose): Finding[] {
  const { store } = state
  if (store.is === 'silent')
    return [
      codes.finding('patroni-store-silent', component, {
        severity: blocks('patroni-store-silent', purpose),
        site,
        what: `the store of ${state.cluster} does not answer: ${store.why}`,
        next: `Look at the store on ${site}: every move writes its configuration there.`,
        unanswered: true,
      }),
    ]
  return [
    ...(store.config === null
      ? [
          codes.finding('patroni-config-missing', component, {
            severity: blocks('patroni-config-missing', purpose),
            site,
            what: `the store holds no configuration of ${state.cluster}`,
            next: 'Compare namespace and scope in the stack file with the configuration of Patroni.',
          }),
        ]
      : []),
    ...(store.switchover === null
      ? []
      : [
          codes.finding('patroni-switchover-scheduled', component, {
            severity: blocks('patroni-switchover-scheduled', purpose),
            site,
            what: `a switchover inside ${site} is asked for: ${store.switchover}`,
            next: `Wait for it, or take it back: patronictl flush ${component.spec.scope} switchover`,
          }),
        ]),
  ]
}

function ofRole(
  component: Database,
  site: string,
  state: PatroniState,
  purpose: Purpose,
  activeSite: string | null,
): Finding[] {
  const writers = Object.entries(state.members).flatMap(([name, member]) => (isWritable(member) ? [name] : []))
  const isActive = activeSite === site
  const say = (
    code:
      | 'patroni-split'
      | 'patroni-passive-writable'
      | 'patroni-active-standby'
      | 'patroni-unlocked'
      | 'patroni-follows-another'
      | 'patroni-not-streaming',
    what: string,
    next: string,
  ) => codes.finding(code, component, { severity: blocks(code, purpose), site, what, next })
  if (writers.length > 1)
    return [
      say(
        'patroni-split',
        `${writers.join(' and ')} of ${site} accept writes at the same time`,
        'Stop all but one at once.',
      ),
    ]
  if (writers.length === 1 && state.follows !== null)
    return [
      say(
        'patroni-split',
        `${writers.join()} accepts writes, and its configuration says that ${state.cluster} follows ${state.follows}`,
        'If a move runs, wait for it. Otherwise find out who changed the configuration.',
      ),
    ]
  if (writers.length === 1)
    return activeSite === null || isActive
      ? []
      : [
          say(
            'patroni-passive-writable',
            `${writers.join()} accepts writes, and the witness says that ${activeSite} is active`,
            `Stop it, and have the site follow: standby failover plan --mode rejoin --to ${site}`,
          ),
        ]
  // One of those that do not answer may be the member that is missed.
  const unlessSilent = Object.values(state.members).some(({ is }) => is === 'silent')
    ? { unanswered: true as const }
    : {}
  if (state.follows === null)
    return [
      {
        ...say(
          'patroni-unlocked',
          `no member of ${state.cluster} that answers accepts writes, and it is no standby cluster: Patroni elects a primary, or cannot`,
          `patronictl list ${component.spec.scope}; look at the logs of Patroni on ${site}.`,
        ),
        ...unlessSilent,
      },
    ]
  const leader = standbyLeaderIn(state)
  const followed = state.follows === 'elsewhere' ? 'no declared site' : state.follows
  const standing =
    leader === null
      ? `${state.cluster} has no standby leader at this moment`
      : `${leader.name}, the standby leader of ${site}, does not stream (${leader.replication ?? leader.state})`
  if (!answeringIn(state).some(isInRecovery))
    return [
      {
        ...say(
          'patroni-unlocked',
          `no PostgreSQL of ${state.cluster} is seen to run: it follows ${followed}, and nothing there could be promoted`,
          `Start Patroni on the hosts of ${site}, and look at its log.`,
        ),
        ...unlessSilent,
      },
    ]
  return [
    ...(isActive
      ? [
          say(
            'patroni-active-standby',
            `${state.cluster} is a standby cluster of ${state.follows}: the active site accepts no write`,
            'Finish the move that was begun, or find out who changed the configuration.',
          ),
        ]
      : []),
    ...(activeSite !== null && !isActive && state.follows !== activeSite
      ? [
          say(
            'patroni-follows-another',
            `${state.cluster} follows ${followed}, not ${activeSite}`,
            `If a move left it behind: standby failover plan --mode rejoin --to ${site}`,
          ),
        ]
      : []),
    ...(leader?.replication === 'streaming'
      ? []
      : [
          say(
            'patroni-not-streaming',
            standing,
            `Look at the log of PostgreSQL on ${site}, and at the way from there to ${state.follows}.`,
          ),
        ]),
  ]
}

function ofConfiguration(
  component: Database,
  site: string,
  { config, cluster, members }: PatroniState,
  purpose: Purpose,
  stack: Stack,
): Finding[] {
  if (config === null) return []
  const { scope } = component.spec
  const slots = isObject(config.slots) ? config.slots : {}
  const postgresql = isObject(config.postgresql) ? config.postgresql : {}
  const missing = otherSites(stack, site).filter(
    (other) => component.spec.sites[other] !== undefined && slots[slotOf(component, other)] === undefined,
  )
  const say = (
    code: 'patroni-slot-missing' | 'patroni-paused' | 'patroni-rewind-off' | 'patroni-sync-alone',
    what: string,
    next: string,
  ) => codes.finding(code, component, { severity: blocks(code, purpose), site, what, next })
  const waitsForStandby = config.synchronous_mode_strict === true && Boolean(config.synchronous_mode)
  return [
    ...missing.map((other: SiteName) => {
      const slot = slotOf(component, other)
      return say(
        'patroni-slot-missing',
        `${cluster} has no permanent slot ${slot}: ${other} could not stream from it, or would miss what was removed meanwhile`,
        `patronictl edit-config ${scope} --set 'slots.${slot}={type: physical, cluster_type: primary}'`,
      )
    }),
    ...(config.pause === true
      ? [
          say(
            'patroni-paused',
            `${cluster} is paused: it would carry out no change of its role`,
            `patronictl resume ${scope}`,
          ),
        ]
      : []),
    ...(postgresql.use_pg_rewind === true
      ? []
      : [
          say(
            'patroni-rewind-off',
            `${cluster} does not use pg_rewind: after a failover it would have to be cloned anew`,
            `patronictl edit-config ${scope} --set postgresql.use_pg_rewind=true (it needs data checksums or wal_log_hints)`,
          ),
        ]),
    ...(waitsForStandby && Object.keys(members).length < 2
      ? [
          say(
            'patroni-sync-alone',
            `${cluster} has one member, and synchronous_mode_strict: as a primary it would accept no write`,
            `patronictl edit-config ${scope} --set synchronous_mode_strict=false`,
          ),
        ]
      : []),
  ]
}

/** The members of a site that answer, for a step that counts on them. Pure. */
export const membersAnswering = (states: StatesPerSite<PatroniState>, site: string): string[] => {
  const seen = states[site]
  return seen?.kind === 'answering'
    ? answeringIn(seen.state)
        .map(({ name }) => name)
        .sort()
    : []
}

/** The state of a site that answers; null for any other. Pure. */
export const stateAt = (states: StatesPerSite<PatroniState>, site: string): PatroniState | null => {
  const seen = states[site]
  return seen?.kind === 'answering' ? seen.state : null
}

export const hasHead = (state: PatroniState | null): boolean =>
  state !== null && (writerIn(state) ?? headOf(state)) !== null
