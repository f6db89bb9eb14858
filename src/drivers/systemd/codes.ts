import { declareCodes } from '../../driver/codes.ts'
import { APPLICATION_CODES } from '../../systems/application/codes.ts'

export const codes = declareCodes('Application', {
  ...APPLICATION_CODES,
  'application-versions-differ': 'The sites have different versions of the application.',
  'systemd-host-silent': 'A host of the application does not answer.',
  'systemd-unit-missing': 'A unit is not installed on a host, or it is masked.',
  'systemd-unit-down': 'A unit of the active site does not run, or its application does not answer as declared.',
  'systemd-unit-runs': 'A unit runs on a passive site.',
  'systemd-unit-at-boot': 'A boot would start a unit on a passive site, or would not start one on the active site.',
  'systemd-unit-started-by-others': 'Something else than a boot may start a unit: a socket, a timer, another unit.',
  'systemd-secrets-unread': 'Keys that all sites must share could not be compared: a file cannot be read.',
  'systemd-start-failed': 'A unit was started and does not stay up; the text has its last words.',
  'systemd-command-failed': 'A command to systemd failed on a host.',
})
