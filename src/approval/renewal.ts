import type { Stack } from '../domain/stack.ts'

/** How a run that was begun gets a new approval, by what the stack file demands. Pure. */
export function renewalOf({ approval: { github, signatures } }: Stack, run: string, digest: string): string {
  const resume = `standby failover resume --run ${run} --reason "…"`
  const ways = [
    ...(github === undefined
      ? []
      : [`run the failover workflow with operation: resume, run: ${run} and digest: ${digest}`]),
    ...(signatures === undefined
      ? []
      : [`standby failover approve --resume ${run} --reason "…", and with what was signed: ${resume} --signature …`]),
  ]
  return `Get a new approval for this run: ${ways.join('; or: ') || `${resume} --digest <the digest that was reviewed>`}.`
}
