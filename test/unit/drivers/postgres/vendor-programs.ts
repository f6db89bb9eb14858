import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Writes the programs `aws` and `gcloud` into a folder: they know the commands that the driver's page uses, refuse
 * every other option, and keep instances with the states of the vendors' published schemas (RDS 2014-10-31, Cloud SQL
 * Admin v1beta4). A restored instance is a real server, made and removed by `copies`.
 */
export async function writeVendors(
  folder: string,
  copies: { readonly program: string; readonly port: number; readonly sourcePort: number },
): Promise<void> {
  const shared = `const fs = require('node:fs'), { execFileSync } = require('node:child_process')
const FILE = ${JSON.stringify(join(folder, 'instances.json'))}
const COPIES = ${JSON.stringify(copies)}
const all = fs.existsSync(FILE) ? JSON.parse(fs.readFileSync(FILE, 'utf8')) : {}
const keep = () => fs.writeFileSync(FILE, JSON.stringify(all))
const fail = (code, text) => { process.stderr.write(text + '\\n'); process.exit(code) }
const copy = (what, name) => execFileSync(COPIES.program, [what, name, String(COPIES.sourcePort)], { stdio: 'ignore' })
const reads = (value, path) => path.split('.').reduce((at, key) => {
  const [, name, index] = /^(.+?)(?:\\[(\\d+)\\])?$/.exec(key)
  return index === undefined ? at?.[name] : at?.[name]?.[Number(index)]
}, value)
/** Options by name; each must be known. A name that ends in = takes a value. */
function optionsOf(words, known) {
  const said = {}, plain = []
  for (let at = 0; at < words.length; at++) {
    const [name, inline] = words[at].split(/=(.*)/s)
    if (!name.startsWith('--')) { plain.push(words[at]); continue }
    if (known.includes(name)) said[name] = true
    else if (known.includes(name + '=')) said[name] = inline ?? words[++at]
    else fail(252, 'Unknown options: ' + name)
  }
  return { said, plain }
}
`
  await writeFile(join(folder, 'aws'), `#!/usr/bin/env node\n${shared}${AWS}`, { mode: 0o755 })
  await writeFile(join(folder, 'gcloud'), `#!/usr/bin/env node\n${shared}${GCLOUD}`, { mode: 0o755 })
}

const AWS = `
const [service, ...words] = process.argv.slice(2)
if (service !== 'rds') fail(252, 'Invalid choice: ' + service)
const waits = words[0] === 'wait'
const command = waits ? 'wait ' + words[1] : words[0]
const COMMON = ['--region=', '--output=', '--query=']
const KNOWN = {
  'describe-db-instances': ['--db-instance-identifier='],
  'restore-db-instance-to-point-in-time': ['--source-db-instance-identifier=', '--target-db-instance-identifier=',
    '--restore-time=', '--db-subnet-group-name=', '--vpc-security-group-ids=', '--no-multi-az',
    '--no-publicly-accessible', '--no-deletion-protection', '--tags='],
  'delete-db-instance': ['--db-instance-identifier=', '--skip-final-snapshot', '--delete-automated-backups'],
  'wait db-instance-deleted': ['--db-instance-identifier='],
  'promote-read-replica': ['--db-instance-identifier='],
}[command]
if (KNOWN === undefined) fail(252, 'Invalid choice: ' + command)
const { said, plain } = optionsOf(words.slice(waits ? 2 : 1), [...COMMON, ...KNOWN])
if (plain.length > 0) fail(252, 'Unknown options: ' + plain.join(' '))
if (said['--region'] === undefined) fail(253, 'You must specify a region.')
all.orders ??= { DBInstanceIdentifier: 'orders', DBInstanceStatus: 'available', DeletionProtection: true }
all.orders.LatestRestorableTime = new Date().toISOString().replace(/\\.\\d+Z$/, '+00:00')
const of = (name) => all[name] ?? fail(254, 'An error occurred (DBInstanceNotFound) when calling the operation: DBInstance ' + name + ' not found.')
const print = (whole) => {
  const query = said['--query']
  const list = /^DBInstances\\[0\\]\\.TagList\\[\\?Key=='([^']+)'\\]\\.Value \\| \\[0\\]$/.exec(query ?? '')
  const value = list === null ? reads(whole, query) : whole.DBInstances[0].TagList.find(({ Key }) => Key === list[1])?.Value
  console.log(value ?? 'None')
}
const name = said['--db-instance-identifier'] ?? said['--target-db-instance-identifier']
switch (command) {
  case 'describe-db-instances': {
    const one = of(name)
    // It becomes available while it is asked.
    if (one.DBInstanceStatus === 'creating' && --one.left <= 0) one.DBInstanceStatus = 'available'
    keep()
    print({ DBInstances: [one.DBInstanceStatus === 'creating' ? { ...one, Endpoint: undefined } : one] })
    break
  }
  case 'restore-db-instance-to-point-in-time': {
    of(said['--source-db-instance-identifier'])
    if (all[name] !== undefined) fail(254, 'An error occurred (DBInstanceAlreadyExists)')
    if (!/^[a-zA-Z](-?[a-zA-Z0-9]){0,62}$/.test(name)) fail(254, 'An error occurred (InvalidParameterValue): ' + name)
    const [, Key, Value] = /^Key=([^,]+),Value=([-\\w+=./:@ ]+)$/.exec(said['--tags']) ?? fail(252, 'Error parsing parameter --tags')
    if (Number.isNaN(Date.parse(said['--restore-time']))) fail(252, 'Invalid timestamp')
    copy('begin', name)
    all[name] = { DBInstanceIdentifier: name, DBInstanceStatus: 'creating', left: 4, TagList: [{ Key, Value }],
      Endpoint: { Address: 'localhost', Port: COPIES.port } }
    keep()
    print({ DBInstance: all[name] })
    break
  }
  case 'delete-db-instance':
    if (of(name).DeletionProtection) fail(254, 'An error occurred (InvalidParameterCombination): Cannot delete protected DB Instance')
    if (of(name).DBInstanceStatus === 'deleting') fail(254, 'An error occurred (InvalidDBInstanceState)')
    all[name].DBInstanceStatus = 'deleting'
    keep()
    print({ DBInstance: all[name] })
    break
  case 'wait db-instance-deleted':
    copy('end', name)
    delete all[name]
    keep()
    break
  case 'promote-read-replica':
    of(name).DBInstanceStatus = 'modifying'
    keep()
}
`
const GCLOUD = `
const [group, resource, command, ...words] = process.argv.slice(2)
if (group !== 'sql' || resource !== 'instances') fail(2, 'Invalid choice: ' + group)
const KNOWN = {
  describe: ['--format='],
  list: ['--filter=', '--format='],
  clone: ['--point-in-time='],
  patch: ['--update-labels=', '--no-deletion-protection', '--activation-policy='],
  delete: [],
  'promote-replica': [],
}[command]
if (KNOWN === undefined) fail(2, 'Invalid choice: ' + command)
const { said, plain } = optionsOf(words, ['--quiet', '--project=', ...KNOWN])
all.orders ??= { state: 'RUNNABLE', settings: { deletionProtectionEnabled: true }, ipAddresses: [{ ipAddress: '10.0.0.5' }] }
const of = (name) => all[name] ?? fail(1, 'ERROR: (gcloud.sql.instances.' + command + ') HTTPError 404: The Cloud SQL instance does not exist.')
const [name, target] = plain
switch (command) {
  case 'describe': {
    const path = /^value\\((.+)\\)$/.exec(said['--format'])?.[1]
    console.log(reads(of(name), path) ?? '')
    break
  }
  case 'list': {
    const wanted = /^name=(.+)$/.exec(said['--filter'])?.[1]
    if (all[wanted] !== undefined) console.log(wanted)
    break
  }
  case 'clone':
    of(name)
    if (all[target] !== undefined) fail(1, 'ERROR: HTTPError 409: The Cloud SQL instance already exists.')
    if (Date.parse(said['--point-in-time']) > Date.now() - 60_000) fail(1, 'ERROR: HTTPError 400: not yet archived')
    copy('begin', target)
    all[target] = { state: 'RUNNABLE', settings: { deletionProtectionEnabled: true }, ipAddresses: [{ ipAddress: 'localhost' }] }
    keep()
    break
  case 'patch': {
    const { settings } = of(name)
    const label = /^([a-z][-_a-z0-9]*)=([-_a-z0-9]*)$/.exec(said['--update-labels'] ?? '')
    if (said['--update-labels'] !== undefined && label === null) fail(2, 'ERROR: Bad value for --update-labels')
    if (label !== null) settings.userLabels = { ...settings.userLabels, [label[1]]: label[2] }
    if (said['--no-deletion-protection']) settings.deletionProtectionEnabled = false
    const policy = said['--activation-policy']
    if (policy !== undefined) {
      settings.activationPolicy = policy
      all[name].state = policy === 'NEVER' ? 'STOPPED' : 'RUNNABLE'
    }
    keep()
    break
  }
  case 'delete':
    if (of(name).settings.deletionProtectionEnabled) fail(1, 'ERROR: HTTPError 400: The instance is protected.')
    copy('end', name)
    delete all[name]
    keep()
    break
  case 'promote-replica':
    of(name)
}
`
