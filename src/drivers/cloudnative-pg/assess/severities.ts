import type { Finding } from '../../../domain/plan.ts'

/** How severe a finding about one cluster is, by what it is assessed for. */
export interface Severities {
  /** What keeps the database from serving. */
  readonly serving: 'warning' | 'blocker'
  /** What delays or weakens a planned move, and must not keep a stack down whose active site is lost. */
  readonly delaying: 'warning' | 'blocker'
  /** Some instances are not ready, and at least one is: one is enough to serve, the others follow. */
  readonly fewInstances: 'warning' | 'blocker'
  readonly backupRunning: Finding['severity']
  readonly noBackup: 'warning' | 'blocker'
  /** Another controller writes fields of the Cluster. */
  readonly otherControllers: 'info' | 'warning'
}

export const FOR_STATUS: Severities = {
  serving: 'warning',
  delaying: 'warning',
  fewInstances: 'warning',
  backupRunning: 'info',
  noBackup: 'warning',
  otherControllers: 'info',
}

export const FOR_SWITCHOVER: Severities = {
  serving: 'blocker',
  delaying: 'blocker',
  fewInstances: 'blocker',
  backupRunning: 'blocker',
  noBackup: 'warning',
  otherControllers: 'warning',
}

/** Of the site that takes over. */
export const FOR_FAILOVER: Severities = {
  ...FOR_SWITCHOVER,
  delaying: 'warning',
  fewInstances: 'warning',
  backupRunning: 'warning',
}

/** Of the active site, from which the other one is cloned. */
export const FOR_REJOIN: Severities = { ...FOR_SWITCHOVER, backupRunning: 'warning', noBackup: 'blocker' }
