import { parseArgs } from 'node:util'
import { MODES, PHASES } from '../../src/domain/plan.ts'
import { ARCHIVE_OPTIONS, archiveWishes } from '../archive-wishes.ts'
import { deployedStack } from '../deployed-stack.ts'
import { endWith } from '../end-with.ts'
import { STACK_ON_MACHINES } from '../lab-kind.ts'
import { deployedMachines } from '../machines/deployed.ts'
import { THIRD_SITE, type ThirdSite } from '../three-sites/run-story.ts'
import { tellStory } from '../three-sites/tell-story.ts'
import { allCases, type CrashPoint, type MatrixCase, nameOf, sampleOf, TROUBLES } from './cases.ts'
import { endHalfDone } from './end-half-done.ts'
import { type CaseVerdict, judgeCase } from './judge-case.ts'
import { MACHINES_CASES } from './machines/cases.ts'
import { judgeMachinesCase } from './machines/judge-machines-case.ts'
import { runMachinesCase } from './machines/run-machines-case.ts'
import { runCase } from './run-case.ts'
import { runKills } from './run-kills.ts'
import { CANARY_REVOKED, runRevokedCanary } from './run-revoked-canary.ts'

/**
 * What goes wrong around a move, times its mode, times where its runner dies: `npm run lab:failover` runs a sample that
 * the seed decides, `--all` every case. `--trouble cut` and `--mode rejoin` keep to some, `--steady` to runners that
 * live, `--taken-back` to moves that are taken back, `--amid dies` and `--amid lives` to sites that are lost amid a
 * switchover whose runner dies or lives, `--phase FENCE` to runners that die in it. `--trouble slow --all` has a runner
 * that is far away (1.5 s, 5 % loss), `--trouble slow-witness --all` one that is as far from its witness.
 * `--self-fencing` waits for the guard of a lost site (fencing.failover: database), `--published-size` has as many
 * instances and replicas as the published stack, `--archive in-tree`, `--follow archive` and `--wal-segments 64` shape
 * its database. `--sites 3` tells the story of three sites instead, with `--third silent` one in which the site that is
 * neither end of a move is cut off, with `unseen` one that the runner alone does not see, with `parted` one that does
 * not see the new active site; `--kills 20` kills so many switchovers while their doors are closed, and resumes each at
 * once, the first of them with `--first-kill 11`; `--trouble canary-revoked` revokes the canary of the application
 * while users are served. `--stack infisical-on-premise` runs the cases of the stack on machines in the lab of
 * machines, `--trouble primary-killed` some of them. The lab must be up. Exit code 0 only if every case kept every
 * promise.
 */
const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    steady: { type: 'boolean', default: false },
    'taken-back': { type: 'boolean', default: false },
    amid: { type: 'string' },
    phase: { type: 'string', multiple: true, default: [...PHASES] },
    count: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    trouble: { type: 'string', multiple: true, default: [...TROUBLES] },
    mode: { type: 'string', multiple: true, default: [...MODES] },
    selfFencing: { type: 'boolean', default: false },
    'published-size': { type: 'boolean', default: false },
    sites: { type: 'string', default: '2' },
    third: { type: 'string', default: 'answers' },
    kills: { type: 'string' },
    'first-kill': { type: 'string', default: '1' },
    stack: { type: 'string', default: 'infisical-kubernetes' },
    ...ARCHIVE_OPTIONS,
  },
})

function chosenCases(): MatrixCase[] {
  refuseUnknown('trouble', values.trouble, TROUBLES)
  refuseUnknown('mode', values.mode, MODES)
  refuseUnknown('phase', values.phase, PHASES)
  refuseUnknown('amid', values.amid === undefined ? [] : [values.amid], ['dies', 'lives'])
  const inPhase = (point: CrashPoint | null): boolean => point === null || values.phase.includes(point.phase)
  const wanted = allCases.filter(
    ({ trouble, mode, crash, takenBack, amid }) =>
      values.trouble.includes(trouble) &&
      values.mode.includes(mode) &&
      (!values.steady || crash === null) &&
      (!values['taken-back'] || takenBack) &&
      (values.amid === undefined || amid?.runner === values.amid) &&
      inPhase(crash) &&
      inPhase(amid),
  )
  return values.all ? wanted : sampleOf(wanted, Number(values.count), Number(values.seed))
}

function refuseUnknown(option: string, asked: readonly string[], known: readonly string[]): void {
  const unknown = asked.filter((name) => !known.includes(name))
  if (unknown.length > 0)
    throw new Error(`--${option} ${unknown.join(', ')} is not known: name some of ${known.join(', ')}`)
}

async function main(): Promise<number> {
  const cases = chosenCases()
  const wishes = {
    guardSelfFencing: values.selfFencing,
    publishedSize: values['published-size'],
    ...archiveWishes(values),
  }
  const { lab, stack, credentials } = await deployedStack(wishes)
  const verdicts: CaseVerdict[] = []
  for (const [index, one] of cases.entries()) {
    const say = (line: string): void =>
      void process.stderr.write(`\n== case ${index + 1} of ${cases.length}: ${nameOf(one)}: ${line}\n`)
    say('begins')
    let digest: string | null = null
    const onPlanned = (planned: string): void => {
      digest = planned
    }
    const verdict = await verdictOf(one, () => runCase(one, { lab, stack, credentials, say, onPlanned }))
    verdicts.push(verdict)
    process.stdout.write(`${lineOf(verdict)}\n`)
    if (verdict.failures.length > 0) await endHalfDone(stack, lab, digest)
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

function thirdSite(): ThirdSite {
  refuseUnknown('third', [values.third], THIRD_SITE)
  return THIRD_SITE.find((one) => one === values.third) ?? 'answers'
}

const lineOf = ({ name, figures, failures }: CaseVerdict): string =>
  `${failures.length === 0 ? 'kept  ' : 'BROKEN'}  ${name}: ${[figures, ...failures].filter((part) => part !== '').join('; ')}`

/** The cases of the stack on machines: those that were named, or all of them. */
async function onMachines(): Promise<number> {
  const asked = values.trouble.filter((name) => !(TROUBLES as readonly string[]).includes(name))
  refuseUnknown(
    'trouble',
    asked,
    MACHINES_CASES.map(({ name }) => name),
  )
  const deployed = await deployedMachines(new AbortController().signal)
  const verdicts: CaseVerdict[] = []
  for (const one of MACHINES_CASES.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
    const say = (line: string): void => void process.stderr.write(`\n== ${one.mode}, ${one.name}: ${line}\n`)
    const verdict = await runMachinesCase(one, deployed, say).then(judgeMachinesCase, (error: unknown) => ({
      name: `${one.mode}, ${one.name}`,
      failures: [error instanceof Error ? error.message : String(error)],
      figures: '',
    }))
    verdicts.push(verdict)
    process.stdout.write(`${lineOf(verdict)}\n`)
  }
  const failed = verdicts.filter(({ failures }) => failures.length > 0)
  process.stdout.write(`\n${verdicts.length - failed.length} of ${verdicts.length} cases kept every promise\n`)
  return failed.length === 0 ? 0 : 1
}

function asked(): Promise<number> {
  refuseUnknown('stack', [values.stack], ['infisical-kubernetes', STACK_ON_MACHINES])
  if (values.stack === STACK_ON_MACHINES) return onMachines()
  if (values.kills !== undefined) return runKills(Number(values.kills), Number(values['first-kill']))
  if (values.trouble.includes(CANARY_REVOKED)) return runRevokedCanary()
  return values.sites === '3' ? tellStory(thirdSite()) : main()
}

endWith(asked())
