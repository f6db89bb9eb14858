import type { SiteName } from '../../domain/stack.ts'
import type { ByHand, DriverStep } from '../../driver/action.ts'
import { awsS3, type ManualSurroundings, quoted } from '../../driver/manual.ts'
import { kubectl } from '../../platform/kubernetes/by-hand.ts'
import type { Dump, Restore, Schedule } from './parameters.ts'
import { backupFolder, backupJob, type Cache, podOf, type RedisSpec, restoreRequest } from './spec.ts'

/** The steps by kubectl and the AWS command line. */
export const dumpByHand: ByHand<RedisSpec, Dump> = {
  say(component, step, around) {
    const k = kubectlOf(component, step, around)
    const job = `${backupJob(component)}-by-hand`
    return {
      commands: [
        `${k} create job --from=cronjob/${backupJob(component)} ${job}`,
        `${k} wait --for=condition=complete job/${job} --timeout=30m`,
        `${k} logs job/${job} --all-containers`,
      ],
      expect: 'job condition met.',
    }
  },
}

export const scheduleByHand: ByHand<RedisSpec, Schedule> = {
  say: (component, step, around) => ({
    commands: [
      `${kubectlOf(component, step, around)} patch cronjob ${backupJob(component)} --type merge -p ${quoted(JSON.stringify({ spec: { suspend: step.parameters.suspend } }))}`,
    ],
    expect: 'patched. Dumps are taken on the active site alone.',
  }),
}

/** A starting Redis reads the request, and loads; a running one cannot. */
export const restoreByHand: ByHand<RedisSpec, Restore> = {
  say(component, step, around) {
    const { source, dump, planned } = step.parameters
    const k = kubectlOf(component, step, around)
    if (dump === '' && planned === undefined)
      return {
        commands: ['ID=fresh-$(date -u +%Y%m%dT%H%M%SZ) URL= SHA=', ...loadLines(component, k)],
        expect: 'No database is named: 0 keys.',
      }
    const location = around.objectStore(component.spec.backup.store, source as SiteName)
    const aws = awsS3(location, source)
    const folder = `s3://${location.bucket}/${location.prefix}${backupFolder(component)}`
    return {
      commands: [
        `ID=$(${aws} s3 ls ${folder} | awk '{print $4}' | grep '\\.json$' | sort | tail -1 | sed 's/\\.json$//')   # the newest dump that is complete`,
        `${aws} s3 cp ${folder}$ID.json -   # when it was taken, and how many keys it has`,
        `SHA=$(${aws} s3 cp ${folder}$ID.json - | sed 's/.*"sha256":"\\([0-9a-f]*\\)".*/\\1/')`,
        `URL=$(${aws} s3 presign ${folder}$ID.rdb --expires-in 3600)`,
        ...loadLines(component, k, location.endpointCA),
      ],
      expect: 'As many keys in each database as the dump has, less those that expired.',
      never: `Load a dump that ${step.site} took when it was active before: look at takenAt.`,
    }
  },
}

/** `endpointCA`: the file with the authorities of the object store, where it has private ones. */
function loadLines(component: Cache, k: string, endpointCA?: string): string[] {
  const authorities = endpointCA === undefined ? '' : ` --from-file=authorities=${quoted(endpointCA)}`
  return [
    `${k} create secret generic ${restoreRequest(component)} --from-literal=id="$ID" --from-literal=url="$URL" --from-literal=sha256="$SHA" --from-literal=otherwise=${authorities} --dry-run=client -o yaml | ${k} apply -f -`,
    `${k} delete pod ${podOf(component)}`,
    `${k} wait --for=condition=Ready pod/${podOf(component)} --timeout=10m`,
    `${k} exec ${podOf(component)} -c redis -- redis-cli info keyspace`,
  ]
}

/** Each step of this driver belongs to one site: a step without a site is a defect of its plan. */
function kubectlOf({ name, spec }: Cache, { action, site }: DriverStep, { stack }: ManualSurroundings): string {
  if (site === null) throw new Error(`${name}.${action} names no site`)
  return kubectl(stack, site, spec.namespace)
}
