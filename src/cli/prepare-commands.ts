import { type Command, Option } from 'commander'
import { stringify } from 'yaml'
import { neededCredentials } from '../composition/needed-credentials.ts'
import { type Identity, OPERATING } from '../domain/identities.ts'
import type { Stack } from '../domain/stack.ts'
import { drivers, witnesses } from '../drivers/registry.ts'
import { inputError } from '../errors/standby-error.ts'
import type { CheckReport } from '../evidence/reports.ts'
import { accessRulesOf, identitiesOf } from '../operations/access.ts'
import { checkStack } from '../operations/check-stack.ts'
import { mintKubeconfig } from '../platform/kubernetes/mint-kubeconfig.ts'
import { platformsOf } from '../platform/registry.ts'
import { masking as newMasking } from '../runtime/masking.ts'
import { refuseUnwritable, writeSecret } from '../runtime/output-file.ts'
import { loadStack } from '../stack/load-stack.ts'
import { problemText } from '../stack/problems.ts'
import { parseDuration } from '../values/duration.ts'
import { aclRules } from '../witness/consul/acl-rules.ts'
import { bucketPolicies } from '../witness/s3/identity-policies.ts'
import { credentialSkeletons, credentialTable } from './credential-table.ts'
import { type Common, EXIT, local } from './operate.ts'

/**
 * The commands for the time before the first deploy: is the file sound, which rights and which credentials does the
 * stack need.
 */
export function addPreparing(program: Command): void {
  const common = (): Common => program.opts<Common>()
  const stackOf = (): Promise<Stack> => loadStack(common().stack, { drivers, witnesses })
  program
    .command('check')
    .description(
      'judge the stack file and the files that it names; offline, needs no credential; exit code 2 when something is wrong',
    )
    .action(() => local(program, () => check(common())))
  program
    .command('rbac')
    .description(
      'print the identities and rights that this stack needs, as Kubernetes objects per site, the S3 policies, and the rules of Consul',
    )
    .option('--site <site>', 'only of this site')
    .option('--policy <identity>', 'the S3 policy of one identity alone, as the JSON document that a service takes')
    .option(
      '--acl <identity>',
      'the rules of Consul of one identity alone, as `consul acl policy create -rules` takes them',
    )
    .action((options: RbacOptions) => local(program, async () => rbacText(await stackOf(), common(), options)))
  program
    .command('credentials')
    .description('print which identity needs which credential; with --json the skeleton of the secret of each identity')
    .addOption(new Option('--identity <identity>', 'only of this identity').choices(OPERATING))
    .action((options: { identity?: Identity }) =>
      local(program, async () => credentialsText(await stackOf(), common(), options.identity ?? null)),
    )
  addKubeconfig(program, stackOf)
}

async function check({ stack, json }: Common): Promise<string> {
  const report = await checkStack(stack, { drivers, witnesses })
  if (report.verdict === 'invalid') process.exitCode = EXIT.input
  return json ? JSON.stringify(report, null, 2) : checkText(report)
}

/** One line for each problem, in the format of compilers: editors and people can jump to the place. */
function checkText({ verdict, file, stack, sites, components, warnings, problems }: CheckReport): string {
  const warned = warnings
    .map(({ path, what, line }) => `${file}${line === null ? '' : `:${line}`}: warning: ${path}: ${what}\n`)
    .join('')
  if (verdict === 'sound')
    return `${warned}${file} is sound: ${stack}, ${components.length} components on ${sites.join(', ')}. Nothing was contacted.`
  const lines = problems.map((problem) => {
    const place = problem.line === null ? file : `${file}:${problem.line}:${problem.column ?? 1}`
    return `${place}: ${problemText(problem)}`
  })
  return [
    ...lines,
    `${file} is not sound: ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}. Nothing was contacted.`,
  ].join('\n')
}

interface RbacOptions {
  readonly site?: string
  readonly policy?: string
  readonly acl?: string
}

async function rbacText(stack: Stack, common: Common, { site: only, policy, acl }: RbacOptions): Promise<string> {
  if (policy !== undefined) return policyText(stack, policy)
  if (acl !== undefined) return aclTextOf(stack, acl)
  const sites = stack.sites.filter((site) => only === undefined || site.name === only)
  if (sites.length === 0)
    throw inputError('unknown-site', `${stack.name} has no site ${only}`, {
      next: `Name one of ${stack.sites.map((site) => site.name).join(', ')}.`,
    })
  const access = { rules: accessRulesOf(stack, drivers), identities: identitiesOf(stack, drivers) }
  const documents = sites.flatMap((site) =>
    platformsOf(site).map((platform) => ({
      platform,
      site,
      objects: platform.accessObjects(stack, site, access.rules, access.identities),
    })),
  )
  const policies = bucketPolicies(stack, access.rules, access.identities)
  const acls = aclRules(stack, access.identities)
  if (common.json) {
    const objectsOf = (name: string): [string, unknown][] =>
      documents.flatMap(({ platform, site, objects }) => (platform.name === name ? [[site.name, objects]] : []))
    const names = [...new Set(documents.map(({ platform }) => platform.name))]
    const ofPlatforms = Object.fromEntries(names.map((name) => [name, Object.fromEntries(objectsOf(name))]))
    return JSON.stringify({ ...ofPlatforms, s3: policies, ...(acls === null ? {} : { consul: acls }) }, null, 2)
  }
  const printed = documents.map(
    ({ platform, site, objects }) =>
      `# ${site.name}: ${platform.byHand.apply(site)}\n${objects.map((object) => `---\n${stringify(object)}`).join('')}`,
  )
  const ofConsul =
    acls === null
      ? ''
      : `\n# Rules of Consul, by identity (as its command line takes them: standby rbac --acl <identity>):\n${commented(acls)}`
  return `${printed.join('\n')}\n# S3 policies, by identity (as a document for the service: standby rbac --policy <identity>):\n${commented(policies)}${ofConsul}`
}

const commented = (value: unknown): string =>
  stringify(value)
    .split('\n')
    .map((line) => `# ${line}`.trimEnd())
    .join('\n')

function policyText(stack: Stack, identity: string): string {
  const policies = bucketPolicies(stack, accessRulesOf(stack, drivers), identitiesOf(stack, drivers))
  return JSON.stringify(ofIdentity(stack, identity, policies), null, 2)
}

function aclTextOf(stack: Stack, identity: string): string {
  const acls = aclRules(stack, identitiesOf(stack, drivers))
  if (acls === null)
    throw inputError('input-invalid', `the witness of ${stack.name} is not in Consul`, {
      next: 'Leave --acl out, or use --policy.',
    })
  return ofIdentity(stack, identity, acls).trimEnd()
}

function ofIdentity<T>({ name }: Stack, identity: string, all: Readonly<Record<string, T>>): T {
  const found = Object.hasOwn(all, identity) ? all[identity] : undefined
  if (found !== undefined) return found
  throw inputError('input-invalid', `${name} has no identity ${identity}`, {
    next: `Name one of ${Object.keys(all).join(', ')}.`,
  })
}

function credentialsText(stack: Stack, { json }: Common, identity: Identity | null): string {
  const needed = neededCredentials(stack, drivers)
  const identities = identity === null ? OPERATING : [identity]
  if (json) return JSON.stringify({ schemaVersion: 1, credentials: credentialSkeletons(needed, identities) }, null, 2)
  return credentialTable(needed, identities)
}

interface KubeconfigOptions {
  readonly identity: Identity
  readonly site: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly lifetime: string
  readonly out?: string
}

function addKubeconfig(program: Command, stackOf: () => Promise<Stack>): void {
  const masking = newMasking()
  program
    .command('kubeconfig')
    .description("make the kubeconfig of an identity that rbac prints, with the rights of a site's administrator")
    .addOption(new Option('--identity <identity>', 'whose').choices(OPERATING).makeOptionMandatory())
    .requiredOption('--site <site>', 'of which site')
    .option('--kubeconfig <file>', "the administrator's; $KUBECONFIG or ~/.kube/config when absent")
    .option('--context <name>', "the administrator's context; the current one when absent")
    .option(
      '--lifetime <duration>',
      'how long its token should live; the API server may shorten it, and the result is printed',
      '90d',
    )
    .option('--out <file>', 'where it is written, readable by you alone; standard output when absent')
    .action((options: KubeconfigOptions) =>
      local(
        program,
        async () => {
          const lifetime = parseDuration(options.lifetime)
          if (lifetime === null)
            throw inputError('input-invalid', `--lifetime is ${options.lifetime}, and must be a duration`, {
              next: 'For example 24h or 90d.',
            })
          if (options.out !== undefined) await refuseUnwritable(options.out)
          const { identity, site, kubeconfig = null, context = null } = options
          const asked = {
            stack: await stackOf(),
            site,
            identity,
            lifetime,
            administrator: { kubeconfig, context },
            env: process.env,
          }
          const minted = await mintKubeconfig({ ...asked, mask: masking.add })
          process.stderr.write(
            `${minted.account} on ${site}: the token ends at ${minted.expiresAt}. Make a new one before.\n`,
          )
          if (options.out === undefined) return minted.text.trimEnd()
          await writeSecret(options.out, minted.text)
          return `The kubeconfig is in ${options.out}.`
        },
        masking.masked,
      ),
    )
}
