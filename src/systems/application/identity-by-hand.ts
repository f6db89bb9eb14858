import type { DriverStep } from '../../driver/action.ts'
import type { ProvedSpec } from './declaration.ts'
import type { ProvedApplication } from './prove-identity.ts'

/** The two actions of the identity by hand: psql in the database of the application. */
export function identityByHand<Spec extends ProvedSpec>(): ProvedApplication<Spec>['byHand'] {
  return {
    record: {
      say: ({ spec }, step) => ({
        commands: questions(spec, step),
        expect: 'Write both answers down: the new site must give the same.',
      }),
    },
    compare: {
      say: ({ spec }, step) => ({
        commands: questions(spec, step),
        expect: `The same answers as before the move${spec.canary === undefined ? '' : `, and the secret ${spec.canary.name} can be read in the application: its key opens the data`}.`,
        never: 'Open the traffic to an application that gives another answer: it serves other data.',
      }),
    },
  }
}

function questions({ identity }: ProvedSpec, { action, site }: DriverStep): string[] {
  if (site === null) throw new Error(`${action} names no site`)
  if (identity === undefined) return []
  const { database, query, migrations } = identity
  return [
    `# With psql in the database of the component ${database} on ${site}:`,
    ...[query, ...(migrations === undefined ? [] : [migrations])].map((sql) => `#   ${sql.replaceAll(/\s+/g, ' ')}`),
  ]
}
