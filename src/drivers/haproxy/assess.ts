import type { Finding } from '../../domain/plan.ts'
import type { AnsweringInstance } from '../../systems/traffic/assess-traffic.ts'
import { codes } from './codes.ts'
import type { InstanceReading } from './instance.ts'
import { backendOf, type HaproxySpec } from './spec.ts'

/** Backends that are down, or that haproxy.cfg lacks. Nothing is demanded of the site that a failover leaves. Pure. */
export function backendFindings(instance: AnsweringInstance<HaproxySpec, InstanceReading>): Finding[] {
  const { component, name: host, view, intent, around, severity } = instance
  const lost = intent?.mode === 'failover' ? intent.from : null
  const found: Finding[] = []
  const active = around.activeSite === null ? undefined : component.spec.backends[around.activeSite]
  const servers = active === undefined ? [] : (view.backends[active]?.servers ?? [])
  if (lost === null && servers.length > 0 && !servers.some((server) => server.up))
    found.push(
      codes.finding('backend-down', component, {
        severity: 'warning',
        what: `${host} sees no server of ${active} up`,
        next: 'Look at the health check of that backend.',
      }),
    )
  for (const { name } of around.stack.sites)
    if (name !== lost && view.backends[backendOf(component, name)] === undefined)
      found.push(
        codes.finding('backend-missing', component, {
          severity,
          what: `${host} has no backend ${backendOf(component, name)} for ${name}`,
          next: 'Add it to haproxy.cfg, or correct backends in the stack file.',
        }),
      )
  return found
}
