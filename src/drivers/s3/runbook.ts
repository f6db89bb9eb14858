import type { ByHand } from '../../driver/action.ts'
import { awsS3, quoted, type WitnessManual } from '../../driver/manual.ts'
import type { S3WitnessSpec } from '../../witness/s3/spec.ts'
import { locationOf, type S3Spec } from './spec.ts'

/** The step by the AWS command line. */
export const byHand: ByHand<S3Spec, Record<never, never>> = {
  say(component, { site }) {
    if (site === null) throw new Error(`${component.name}: a bucket is reached at a site`)
    const location = locationOf(component, site)
    return {
      commands: [`${awsS3(location, site)} s3 ls s3://${location.bucket}/${location.prefix}`],
      expect: 'It answers.',
    }
  },
}

/** A witness on S3, by the AWS command line 2.18 or newer (`--if-match`). */
export function manualWitness(spec: S3WitnessSpec): WitnessManual {
  const prefix = spec.prefix ?? ''
  const put = (key: string, body: string): string =>
    `witness s3api put-object --bucket ${spec.bucket} --key ${word(`${prefix}${key}`)} --body ${body}`
  return {
    prepare: [`witness() { ${awsS3(spec, 'witness')} "$@"; }   # the profile holds the keys of the witness`],
    read: (key, remark) => [
      `ETAG=$(witness s3api head-object --bucket ${spec.bucket} --key ${word(`${prefix}${key}`)} --query ETag --output text)`,
      `witness s3 cp s3://${spec.bucket}/${prefix}${key} - | tee ${key}   # ${remark}`,
    ],
    replace: (key) => [
      `$EDITOR ${key}`,
      `${put(key, key)} --if-match "$ETAG"   # PreconditionFailed: another writer was faster; stop and look`,
    ],
    create: (key, file) => `${put(key, quoted(file))} --if-none-match '*'`,
  }
}

/** One shell word in which variables are still expanded. */
const word = (text: string): string => (text.includes('$') ? `"${text}"` : quoted(text))
