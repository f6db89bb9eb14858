import type { Command } from 'commander'
import { drivers, manualWitnesses, witnesses } from '../drivers/registry.ts'
import { inputError } from '../errors/standby-error.ts'
import { readPlan } from '../operations/read-plan.ts'
import { runbookOf } from '../reporting/runbook.ts'
import { refuseUnwritable, writeOutput } from '../runtime/output-file.ts'
import { loadStack } from '../stack/load-stack.ts'
import { type Common, local } from './operate.ts'

/** `standby failover runbook`: the plan as a page of manual instructions. Contacts nothing, and needs no credential. */
export function addRunbook(program: Command, failover: Command): void {
  failover
    .command('runbook')
    .description('print a plan as a runbook for doing it by hand; nothing is contacted')
    .requiredOption('--plan <file>', 'the plan')
    .option('--out <file>', 'where the Markdown is written; standard output when absent')
    .action((options: { plan: string; out?: string }) =>
      local(program, async () => {
        const common = program.opts<Common>()
        if (options.out !== undefined) await refuseUnwritable(options.out)
        const plan = await readPlan(options.plan, null)
        const stack = await loadStack(common.stack, { drivers, witnesses })
        const manualWitness = manualWitnesses[stack.witness.driver]
        if (manualWitness === undefined)
          throw inputError('unknown-witness', `there is no manual for the witness ${stack.witness.driver}`)
        if (plan.stack.name !== stack.name)
          throw inputError('plan-invalid', `the plan is for the stack ${plan.stack.name}, this is ${stack.name}`, {
            next: 'Name the stack file that it was made of.',
          })
        const runbook = runbookOf({ plan, stack, drivers, witness: manualWitness(stack.witness.spec) })
        if (options.out !== undefined) await writeOutput(options.out, runbook)
        if (common.json) return JSON.stringify({ schemaVersion: 1, runbook }, null, 2)
        return options.out === undefined ? runbook.trimEnd() : `The runbook is in ${options.out}.`
      }),
    )
}
