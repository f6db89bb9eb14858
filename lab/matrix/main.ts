import { parseArgs } from 'node:util'
import { deployedStack } from '../deployed-stack.ts'
import { endWith } from '../end-with.ts'
import { allCases, type MatrixCase, nameOf, sampleOf, TROUBLES, type Trouble } from './cases.ts'
import { type CaseVerdict, judgeCase } from './judge-case.ts'
import { runCase } from './run-case.ts'

/**
 * What goes wrong around a move, times where its runner dies: `npm run lab:failover` runs a sample that the seed decides, `--all` every case.
 * `--trouble cut` keeps to some troubles, `--steady` to runners that live, `--outwait` waits for the guard of a lost site (fencing.failover: database). The lab must be up. Exit code 0 only if every case kept every promise.
 */
const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    steady: { type: 'boolean', default: false },
    count: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    trouble: { type: 'string', multiple: true, default: [] },
    outwait: { type: 'boolean', default: false },
  },
})

function chosenCases(): MatrixCase[] {
  const unknown = values.trouble.filter((name) => !TROUBLES.includes(name as Trouble))
  if (unknown.length > 0) throw new Error(`there is no trouble ${unknown.join(', ')}: name some of ${TROUBLES.join(', ')}`)
  const wanted = allCases.filter(
    ({ trouble, crash }) => (values.trouble.length === 0 || values.trouble.includes(trouble)) && (!values.steady || crash === null),
  )
  if (values.all || values.trouble.length > 0 || values.steady) return values.all ? wanted : wanted.slice(0, Number(values.count))
  return sampleOf(Number(values.count), Number(values.seed))
}

async function main(): Promise<number> {
  const cases = chosenCases()
  const { lab, stack, credentials } = await deployedStack({ outwaitGuard: values.outwait })
  const verdicts: CaseVerdict[] = []
  for (const [index, one] of cases.entries()) {
    const say = (line: string): void => void process.stderr.write(`\n== case ${index + 1} of ${cases.length}: ${nameOf(one)}: ${line}\n`)
    say('begins')
    verdicts.push(await verdictOf(one, () => runCase(one, { lab, stack, credentials, say })))
    process.stdout.write(`${lineOf(verdicts.at(-1))}\n`)
  }
  const failed = verdicts.filter(({ failures }) => failures.length > 0)
  process.stdout.write(
    `\n${verdicts.map(lineOf).join('\n')}\n\n${verdicts.length - failed.length} of ${verdicts.length} cases kept every promise\n`,
  )
  return failed.length === 0 ? 0 : 1
}

/** A case that could not be brought to its end is a failure like any other. */
async function verdictOf(one: MatrixCase, run: () => ReturnType<typeof runCase>): Promise<CaseVerdict> {
  try {
    return judgeCase(await run())
  } catch (error) {
    return { name: nameOf(one), failures: [error instanceof Error ? error.message : String(error)], figures: '' }
  }
}

const lineOf = (verdict: CaseVerdict | undefined): string =>
  verdict === undefined
    ? ''
    : `${verdict.failures.length === 0 ? 'kept  ' : 'BROKEN'}  ${verdict.name}: ${[verdict.figures, ...verdict.failures].filter((part) => part !== '').join('; ')}`

endWith(main())
