import type { PlannedStep } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { awsS3, kubectl, type Manual, type ManualSurroundings, quoted } from '../../driver/manual.ts'
import { closeFolder } from './failover/archive-policy.ts'
import { FENCE, RESTARTING_IN_PLACE } from './objects.ts'
import { type Database, incarnationFolder } from './spec.ts'
import { parameter } from './steps.ts'

/** One cluster of a step, as a shell reaches it. */
interface Place {
  readonly site: string
  readonly cluster: string
}

interface Hands {
  readonly component: Database
  readonly step: PlannedStep
  readonly around: ManualSurroundings
}

/** The step by kubectl, psql inside the pods, and the AWS command line. */
export function manualStep(component: Database, step: PlannedStep, around: ManualSurroundings): Manual | null {
  return MANUALS[step.action]?.({ component, step, around }) ?? null
}

const MANUALS: Readonly<Record<string, (hands: Hands) => Manual | null>> = {
  checkpoint: (hands) => shipped(hands, here(hands)),
  'leave-archive': () => ({
    commands: ['true   # nothing to do by hand: the archive is only asked a little more often'],
    expect: 'Nothing. A replica that Standby left without its archive gets it back by `standby deploy`.',
  }),
  'ask-archive': () => ({
    commands: ['true   # nothing to do by hand: a promotion by hand asks the archive, and leaves it named'],
    expect: 'Nothing. What Standby has done of it is undone by `standby deploy`.',
  }),
  'restart-ahead': () => ({
    commands: ['true   # nothing to do by hand: it restarts behind the promotion, and users wait some seconds more'],
    expect: 'Nothing. What Standby has done of it is no obstacle.',
  }),
  'second-look': (hands) => ({
    commands: [
      `${k(hands, here(hands))} get cluster ${here(hands).cluster} --show-managed-fields -o yaml   # who writes spec.replica?`,
    ],
    expect:
      'Nobody but kubectl, Standby and the operator. Whoever else stands there (Argo CD, Flux) is paused first: it would take back what follows.',
  }),
  'fill-archive': (hands) => ({
    commands: [psql(hands, here(hands), 'ALTER SYSTEM RESET archive_mode')],
    expect:
      'ALTER SYSTEM. Where Standby had restarted it ahead of its promotion, its own archive begins anew with the base backup below.',
  }),
  demote(hands) {
    const place = here(hands)
    const successor = parameter(hands.step, 'successor')
    return {
      commands: [
        patch(hands, place, { replica: { primary: successor, source: successor, promotionToken: null } }),
        `${get(hands, place, '{.status.switchReplicaClusterStatus.inProgress} {.status.demotionToken}')}   # until a token is there, and no "true" in front of it`,
        `TOKEN=$(${get(hands, place, '{.status.demotionToken}')})`,
        'printf %s "$TOKEN" | base64 -d   # latestCheckpointREDOLocation, latestCheckpointTimelineID: keep them in sight',
      ],
      expect: `The token decodes to JSON with the last position of ${place.cluster}. Phase and Ready go on saying "healthy" meanwhile: look at the token alone.`,
      never: `Change ${place.cluster} and ${successor} at the same time, or promote ${successor} before this token exists: both would write.`,
    }
  },
  'catch-up': (hands) => ({
    commands: [
      psql(
        hands,
        here(hands),
        'CHECKPOINT',
        'SELECT redo_lsn, timeline_id, system_identifier FROM pg_control_checkpoint(), pg_control_system()',
      ),
    ],
    expect: 'redo_lsn, timeline and system identifier are exactly those of the token. Repeat until they are.',
    never:
      'Go on with a position that is not exactly the same: the promotion would be refused for good, or lose what is missing.',
  }),
  promote: (hands) => ({
    commands: [
      patchWith(
        hands,
        here(hands),
        `"{\\"spec\\":{\\"replica\\":{\\"primary\\":\\"${here(hands).cluster}\\",\\"promotionToken\\":\\"$TOKEN\\"}}}"`,
      ),
      `${get(hands, here(hands), '{.status.lastPromotionToken}')}   # must be $TOKEN`,
      psql(hands, here(hands), 'SELECT pg_is_in_recovery()'),
    ],
    expect: 'The last promotion token is yours, and PostgreSQL answers f: it left recovery.',
    never:
      'Send primary and token in two patches: the first alone is a failover, and the old site would have to be cloned anew.',
  }),
  'drain-archive'(hands) {
    const { folder, location } = archiveOf(hands)
    return {
      commands: [
        `${awsS3(location, parameter(hands.step, 'archiveOf'))} s3 ls --recursive s3://${location.bucket}/${folder}wals/ | sort -k4 | tail -1   # the newest segment; a silent archive is not waited for`,
        psql(hands, here(hands), 'SELECT pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp()'),
      ],
      expect:
        'The replayed position has reached the end of the newest segment, or stands still inside it for 15 s. Write down both answers: what came after them is lost.',
    }
  },
  'promote-without-token': (hands) => ({
    commands: [
      patch(hands, here(hands), { replica: { primary: here(hands).cluster, promotionToken: null } }),
      psql(hands, here(hands), 'SELECT pg_is_in_recovery(), timeline_id FROM pg_control_checkpoint()'),
    ],
    expect: 'PostgreSQL answers f, and a timeline above the one before.',
    never: `Do this before ${parameter(hands.step, 'lost')} is shut out as the plan demands, and the witness names the new site: it could still accept writes.`,
  }),
  restart: (hands) => ({
    commands: [
      psql(hands, here(hands), 'SELECT pg_reload_conf()'),
      `${k(hands, here(hands))} patch cluster ${here(hands).cluster} --subresource=status --type merge -p ${json({ status: { phase: RESTARTING_IN_PLACE } })}   # its instance manager restarts it`,
      psql(hands, here(hands), "SELECT pg_is_in_recovery(), current_setting('archive_mode')"),
    ],
    expect: 'PostgreSQL answers f|on: it restarted. Ask again until it does; some seconds are usual.',
    never: 'Let clients in before: they would hold the restart up, and it would come while users are served.',
  }),
  settle: (hands) => shipped(hands, here(hands)),
  follow: (hands) => ({
    commands: [
      psql(hands, here(hands), 'SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()'),
      psql(
        hands,
        { site: parameter(hands.step, 'primarySite'), cluster: parameter(hands.step, 'primary') },
        'SELECT pg_current_wal_lsn()',
      ),
      psql(hands, here(hands), 'CHECKPOINT', 'SELECT timeline_id FROM pg_control_checkpoint()'),
    ],
    expect:
      'The replica is in recovery, its position follows the one of the primary, and its timeline is that of the primary.',
  }),
  'clear-token': (hands) => ({
    commands: [
      patch(hands, here(hands), { replica: { promotionToken: null } }),
      get(hands, here(hands), '{.status.phase}'),
    ],
    expect: 'Cluster in healthy state.',
    never: 'Leave the token: on a live primary it stops the operator.',
  }),
  schedule: (hands) => ({
    commands: [
      `${k(hands, here(hands))} patch scheduledbackup ${here(hands).cluster} --type merge -p ${json({ spec: { suspend: hands.step.parameters.suspend === true } })}`,
    ],
    expect: `patched. Base backups are taken of the active site alone.`,
  }),
  fence: (hands) => ({
    commands: [
      `${k(hands, here(hands))} annotate cluster ${here(hands).cluster} --overwrite ${quoted(`${FENCE}=["*"]`)}`,
      psql(hands, here(hands), 'SELECT 1'),
    ],
    expect:
      'psql fails in every instance with "No such file or directory" or "Connection refused". Phase and Ready go on saying healthy.',
    never: 'Take the fence away before the site has rejoined: the cluster believes that it is the primary.',
  }),
  'close-archive'(hands) {
    const { folder, location } = archiveOf(hands)
    const aws = awsS3(location, `${parameter(hands.step, 'archiveOf')}-policy`)
    const denial = closeFolder(null, { bucket: location.bucket, region: location.region, folder })
    return {
      commands: [
        `${aws} s3api get-bucket-policy --bucket ${location.bucket} --query Policy --output text > policy-before.json   # an error: there is none`,
        `cat > policy.json <<'END'\n${denial}\nEND`,
        '# Was there a policy before? Add its statements to policy.json: what is put replaces all of it.',
        `${aws} s3api put-bucket-policy --bucket ${location.bucket} --policy file://policy.json`,
      ],
      expect: `A write with the keys of the lost site to ${folder} is refused (AccessDenied).`,
      never: 'Open it again: the next incarnation of that site gets a folder of its own.',
    }
  },
  'mark-fork'(hands) {
    const { step, component, around } = hands
    const serverName = parameter(step, 'serverName')
    const record = {
      schemaVersion: 1,
      serverName,
      cluster: parameter(step, 'cluster'),
      site: parameter(step, 'lostSite'),
      forkedAt: '',
      forkedFrom: 0,
      successor: parameter(step, 'successor'),
      at: '$AT',
    }
    return {
      commands: [
        'AT=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)',
        `cat > fork.json <<END\n${JSON.stringify(record)}\nEND`,
        around.witness.create(`records/forks/${component.name}/${serverName}/$AT.json`, 'fork.json'),
      ],
      expect:
        'The record is in the witness: restore tests and deploys refuse the newest state of the lost incarnation.',
    }
  },
}

/** The site of the step, or the one that it names where it acts on none. */
const here = ({ step }: Hands): Place => ({
  site: String(step.site ?? step.parameters.archiveOf ?? ''),
  cluster: parameter(step, 'cluster'),
})

const k = ({ component, around }: Hands, { site }: Place): string =>
  kubectl(around.stack, site, component.spec.namespace)
const json = (value: object): string => quoted(JSON.stringify(value))
const get = (hands: Hands, place: Place, path: string): string =>
  `${k(hands, place)} get cluster ${place.cluster} -o jsonpath='${path}'`
const patchWith = (hands: Hands, place: Place, patch: string): string =>
  `${k(hands, place)} patch cluster ${place.cluster} --type merge -p ${patch}`
const patch = (hands: Hands, place: Place, spec: object): string => patchWith(hands, place, json({ spec }))
const primaryPod = (hands: Hands, place: Place): string => `"$(${get(hands, place, '{.status.currentPrimary}')})"`

/** Each query in a transaction of its own: a CHECKPOINT must not share one. */
const psql = (hands: Hands, place: Place, ...queries: string[]): string =>
  `${k(hands, place)} exec ${primaryPod(hands, place)} -c postgres -- psql -XAt -d ${hands.component.spec.database} ${queries.map((query) => `-c ${quoted(query)}`).join(' ')}`

const shipped = (hands: Hands, place: Place): Manual => ({
  commands: [
    psql(hands, place, 'CHECKPOINT', 'SELECT pg_walfile_name(pg_switch_wal())'),
    psql(hands, place, 'SELECT last_archived_wal, last_failed_wal FROM pg_stat_archiver'),
  ],
  expect: 'The last archived segment is the printed one, or a later one, and none failed after it.',
})

function archiveOf({ component, step, around }: Hands) {
  const location = around.objectStore(component.spec.archive.store, parameter(step, 'archiveOf') as SiteName)
  return { location, folder: `${location.prefix}${incarnationFolder(component, parameter(step, 'serverName'))}` }
}
