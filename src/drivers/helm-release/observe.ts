import { asStandbyError } from '../../errors.ts'
import type { BySite, Fact, Observed } from '../../observation/observation.ts'
import type { Assessment, DriverContext } from '../../planning/driver.ts'
import type { Finding, Intent } from '../../planning/plan.ts'
import type { SiteName } from '../../stack/stack.ts'
import { secretHashes } from './must-match.ts'
import type { Application } from './spec.ts'
import { readWorkload, type WorkloadView } from './workload.ts'

export interface HelmReleaseState {
  readonly workload: WorkloadView
  /** null when this identity may not read the Secrets: then a deploy compares them. */
  readonly secrets: Readonly<Record<string, string | null>> | null
}

export async function observeRelease(
  component: Application,
  site: SiteName | null,
  context: DriverContext,
): Promise<Observed<HelmReleaseState>> {
  if (site === null) return { kind: 'absent', why: 'an application belongs to a site' }
  const [workload, secrets] = await Promise.all([
    readWorkload(context.kubernetes(site), component, context.signal),
    readableHashes(component, site, context),
  ])
  if (workload === null)
    return {
      kind: 'absent',
      why: `there is no ${component.spec.workload.kind} ${component.spec.namespace}/${component.spec.workload.name}`,
    }
  const awake = workload.declared > 0
  const facts: Fact[] = [
    { name: 'replicas', value: workload.declared, binds: 'exactly' },
    { name: 'image', value: workload.image, binds: 'exactly' },
    // Not the secrets: who plans may not read them, who executes may, and a plan would look stale. Findings compare them.
  ]
  return {
    kind: 'answering',
    state: { workload, secrets },
    role: awake ? 'active' : 'passive',
    health: workload.settled ? 'healthy' : workload.ready > 0 ? 'degraded' : 'down',
    text: `${workload.ready}/${workload.declared} ready, ${workload.image.split('/').at(-1) ?? ''}`,
    facts,
  }
}

async function readableHashes(
  component: Application,
  site: SiteName,
  context: DriverContext,
): Promise<Record<string, string | null> | null> {
  try {
    return await secretHashes(component, site, context)
  } catch (error) {
    if (asStandbyError(error).code === 'kubernetes-forbidden') return null
    throw error
  }
}

export function assessRelease(
  component: Application,
  states: BySite<HelmReleaseState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const severity = intent === null ? 'warning' : 'blocker'
  const say = (code: string, level: Finding['severity'], site: string | null, what: string, next?: string): Finding => ({
    code,
    severity: level,
    component: component.name,
    what,
    ...(site === null ? {} : { site }),
    ...(next === undefined ? {} : { next }),
  })
  const found = assessment.stack.sites.flatMap((site): Finding[] => {
    const seen = states[site.name]
    if (seen === undefined) return []
    if (seen.kind !== 'answering')
      return [
        say(
          'application-silent',
          severity,
          site.name,
          `${component.spec.release} on ${site.name} can not be read: ${seen.why}`,
          'Deploy it, or look at its Kubernetes cluster.',
        ),
      ]
    const missing = Object.entries(seen.state.secrets ?? {}).filter(([, hash]) => hash === null)
    return [
      ...missing.map(([name]) =>
        say(
          'secret-missing',
          severity,
          site.name,
          `${name} is missing on ${site.name}`,
          'Create it with the same content as on the other site.',
        ),
      ),
      ...(seen.state.workload.settled
        ? []
        : [
            say(
              'application-not-ready',
              site.name === assessment.activeSite ? severity : 'warning',
              site.name,
              `${component.spec.workload.name} on ${site.name}: ${seen.text}`,
            ),
          ]),
    ]
  })
  return [...found, ...secretsThatDiffer(component, states, severity), ...imagesThatDiffer(component, states, severity)]
}

/** The only thing whose loss loses data is a key: a passive site with another one can not start. */
function secretsThatDiffer(component: Application, states: BySite<HelmReleaseState>, severity: Finding['severity']): Finding[] {
  const hashes = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' && seen.state.secrets !== null ? [{ site, secrets: seen.state.secrets }] : [],
  )
  const names = [...new Set(hashes.flatMap(({ secrets }) => Object.keys(secrets)))]
  return names.flatMap((name): Finding[] => {
    const values = new Set(hashes.map(({ secrets }) => secrets[name]).filter((hash) => hash !== null && hash !== undefined))
    return values.size < 2
      ? []
      : [
          {
            code: 'secret-differs',
            severity,
            component: component.name,
            what: `${name} is not the same on ${hashes.map(({ site }) => site).join(' and ')}`,
            next: 'Copy it from the active site: data that it encrypts can not be read with another key.',
          },
        ]
  })
}

/** A newer image on the passive site migrates the database at its first start, one way and unreviewed. */
function imagesThatDiffer(component: Application, states: BySite<HelmReleaseState>, severity: Finding['severity']): Finding[] {
  const images = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' ? [`${site}: ${seen.state.workload.image}`] : [],
  )
  const different = new Set(images.map((image) => image.slice(image.indexOf(': ') + 2))).size > 1
  return different
    ? [
        {
          code: 'image-differs',
          severity,
          component: component.name,
          what: `the sites run different images (${images.join(', ')})`,
          next: 'Deploy first: a move must not be a migration.',
        },
      ]
    : []
}
