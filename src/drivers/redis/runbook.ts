import type { PlannedStep } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { awsS3, kubectl, type Manual, type ManualSurroundings, quoted } from '../../driver/manual.ts'
import { backupFolder, backupJob, type Cache, podOf, restoreRequest } from './spec.ts'

/** The step by kubectl and the AWS command line. */
export function manualStep(component: Cache, step: PlannedStep, around: ManualSurroundings): Manual | null {
  if (step.site === null) return null
  const k = kubectl(around.stack, step.site, component.spec.namespace)
  if (step.action === 'dump') return dump(component, k)
  if (step.action === 'schedule' || step.action === 'fence') return schedule(component, step, k)
  return step.action === 'restore' ? restore(component, step, around, k) : null
}

function dump(component: Cache, k: string): Manual {
  const job = `${backupJob(component)}-by-hand`
  return {
    commands: [
      `${k} create job --from=cronjob/${backupJob(component)} ${job}`,
      `${k} wait --for=condition=complete job/${job} --timeout=30m`,
      `${k} logs job/${job} --all-containers`,
    ],
    expect: 'job condition met.',
  }
}

const schedule = (component: Cache, step: PlannedStep, k: string): Manual => ({
  commands: [
    `${k} patch cronjob ${backupJob(component)} --type merge -p ${quoted(JSON.stringify({ spec: { suspend: step.parameters.suspend === true } }))}`,
  ],
  expect: 'patched. Dumps are taken on the active site alone.',
})

/** A starting Redis reads the request, and loads; a running one can not. */
function restore(component: Cache, step: PlannedStep, around: ManualSurroundings, k: string): Manual {
  const fresh = step.parameters.dump === '' && (step.parameters.planned ?? null) === null
  const source = String(step.parameters.source) as SiteName
  const { endpointCA } = fresh ? { endpointCA: undefined } : around.objectStore(component.spec.backup.store, source)
  const authorities = endpointCA === undefined ? '' : ` --from-file=authorities=${quoted(endpointCA)}`
  const request = `${k} create secret generic ${restoreRequest(component)} --from-literal=id="$ID" --from-literal=url="$URL" --from-literal=sha256="$SHA" --from-literal=otherwise=${authorities} --dry-run=client -o yaml | ${k} apply -f -`
  const load = [
    request,
    `${k} delete pod ${podOf(component)}`,
    `${k} wait --for=condition=Ready pod/${podOf(component)} --timeout=10m`,
    `${k} exec ${podOf(component)} -c redis -- redis-cli info keyspace`,
  ]
  if (fresh)
    return {
      commands: ['ID=fresh-$(date -u +%Y%m%dT%H%M%SZ) URL= SHA=', ...load],
      expect: 'No database is named: 0 keys.',
    }
  const location = around.objectStore(component.spec.backup.store, source)
  const aws = awsS3(location, source)
  const folder = `s3://${location.bucket}/${location.prefix}${backupFolder(component)}`
  return {
    commands: [
      `ID=$(${aws} s3 ls ${folder} | awk '{print $4}' | grep '\\.json$' | sort | tail -1 | sed 's/\\.json$//')   # the newest dump that is complete`,
      `${aws} s3 cp ${folder}$ID.json -   # when it was taken, and how many keys it has`,
      `SHA=$(${aws} s3 cp ${folder}$ID.json - | sed 's/.*"sha256":"\\([0-9a-f]*\\)".*/\\1/')`,
      `URL=$(${aws} s3 presign ${folder}$ID.rdb --expires-in 3600)`,
      ...load,
    ],
    expect: 'As many keys in each database as the dump has, less those that expired.',
    never: `Load a dump that ${step.site} took when it was active before: look at takenAt.`,
  }
}
