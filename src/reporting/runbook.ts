import { changesActiveSite, leavesLostSite, type Mode, type Plan, type PlannedStep } from '../domain/plan.ts'
import { componentOf, type SiteName, type Stack, siteOf } from '../domain/stack.ts'
import { byHandOf, objectStoreOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Manual, ManualSurroundings, WitnessManual } from '../driver/manual.ts'
import { blockers } from '../planning/findings.ts'
import { schedule, sequenceOf } from '../planning/order-steps.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { activateStep, LOCK_STEP, WITNESS } from '../planning/witness-steps.ts'
import { platforms, platformsOf } from '../platform/registry.ts'
import { readableDuration } from '../values/duration.ts'
import { directionOf, fencingText, learnedText, lossText, refusalPredicted } from './move-words.ts'

export interface RunbookInput {
  readonly plan: Plan
  readonly stack: Stack
  readonly drivers: Readonly<Record<string, Driver>>
  readonly witness: WitnessManual
}

/**
 * The plan as manual instructions: Markdown, one section per step, in an order in which they can be done one after
 * another. A step without a short manual procedure says so, and says what to do instead. Pure.
 */
export function runbookOf({ plan, stack, drivers, witness }: RunbookInput): string {
  const around: ManualSurroundings = {
    stack,
    witness,
    objectStore(name, site) {
      const component = componentOf(stack, name)
      const location = objectStoreOf(drivers[component.driver], component, site)
      if (location === null) throw new Error(`${name} is no object store`)
      return location
    },
  }
  const steps = sequenceOf(plan.steps)
  const manualOf = (step: PlannedStep): Manual | null => {
    if (step.component === WITNESS) return witnessStep(step, plan, witness)
    const component = componentOf(stack, step.component)
    return byHandOf(drivers[component.driver], component, step, around)
  }
  const numberOf = new Map(steps.map(({ id }, index) => [id, index + 1]))
  const times = schedule(plan.steps)
  const sections = steps.map((step, index) => {
    const heading = step.phase === steps[index - 1]?.phase ? '' : `## ${step.phase}\n\n${phaseWord(step, plan)}`
    return `${heading}${section(step, manualOf(step), numberOf, times.get(step.id)?.begins ?? 0)}`
  })
  return `${[head(plan, stack), ...refused(plan), before(plan, stack, witness), never(plan, stack), ...sections, after(plan)].join('\n\n')}\n`
}

function head(plan: Plan, stack: Stack): string {
  const { intent, id, predictions, fencing } = plan
  const refused = refusalPredicted(plan)
  return `# Runbook: ${oneLine(stack.name)}, ${oneLine(directionOf(intent))}

What \`standby failover execute\` would do, for the day when a person must do it by hand. Generated from the plan \`${id}\`
(digest \`${digestOf(plan)}\`), which saw the sites at ${plan.madeAt}. Make a new one when something has changed:
\`standby failover runbook --plan plan.json\`.

| | |
| --- | --- |
| by Standby it would take | ${readableDuration(predictions.duration)}${refused === null ? '' : `, ${refused.join(' ')}`} (${learnedText(plan)}) |
| what is lost | ${cell(lossText(predictions.loss))} |
| fence | ${cell(fencingText(fencing))} |
| point of no return | ${!changesActiveSite(intent) ? 'none; what is deleted is gone' : `step \`${activateStep(intent)}\`: before it, undo backwards; after it, only forward`} |`
}

/** A plan that Standby would not execute is no better by hand. */
function refused({ findings, intent }: Plan): string[] {
  const blocking = blockers(findings)
  if (blocking.length === 0) return []
  const lines = blocking.map(
    ({ code, what, next }) => `- \`${code}\`: ${oneLine(what)}${next === undefined ? '' : `. ${oneLine(next)}`}`,
  )
  return [
    `## Standby refuses this ${intent.mode}\n\nBy hand nothing refuses it but you. Know each of these, and why it does not hold:\n\n${lines.join('\n')}`,
  ]
}

function before(plan: Plan, stack: Stack, witness: WitnessManual): string {
  const { mode, from, to } = plan.intent
  return `## Before you begin

- Two people: one types, one reads aloud what comes next and what came back. Write down the time of every step.
- ${decidedBefore(plan.intent)}
- Try Standby once more, from another machine: it needs no GitHub (\`standby failover execute\`). A run that was begun is continued, not done by hand: \`standby failover resume\`.
- ${neededByHand(stack)}; \`aws\` 2.18 or newer with a profile \`witness\` and one per site${leavesLostSite({ mode }) ? ` (\`${from}-policy\` may change bucket policies)` : ''}; ssh to the load balancers; \`helm\`.
- Once in the shell that you use:

\`\`\`sh
${witness.prepare.join('\n')}
${identifyByHand(stack, to)}
\`\`\``
}

/** What is decided before anyone begins. */
function decidedBefore({ mode, from, to }: Plan['intent']): string {
  if (mode === 'failover')
    return `A person who may decide it has decided that ${from} is lost, and how much loss is accepted.`
  return mode === 'follow'
    ? `A person who may decide it has decided that everything follows the data to ${to}. Nothing of the data is moved.`
    : 'A person who may decide it has decided, and users are informed.'
}

/** What a person needs for the platforms of the sites. */
const neededByHand = ({ sites }: Stack): string =>
  Object.values(platforms)
    .map(({ name, byHand }) => ({ byHand, of: sites.filter((site) => Object.hasOwn(site.platforms, name)) }))
    .flatMap(({ byHand, of }) => (of.length === 0 ? [] : [byHand.needs(of)]))
    .join('; ')

const identifyByHand = (stack: Stack, to: SiteName): string =>
  platformsOf(siteOf(stack, to))
    .map(({ byHand }) => byHand.identify(siteOf(stack, to)))
    .join('\n')

function never({ intent }: Plan, stack: Stack): string {
  const { mode, from, to } = intent
  const guarded = stack.components.some(({ driver }) => driver === 'guard')
  const rules = [
    NEVER_OPEN[mode](from, to),
    'Never skip "Done when". What you did not see has not happened.',
    changesActiveSite({ mode })
      ? `Never bring ${from} back by hand once the witness names ${to}: it rejoins (\`standby failover plan --mode rejoin --to ${from}\`).`
      : '',
    'Never run `standby deploy` or another move meanwhile: the lock below keeps them out.',
    guarded
      ? 'Never stop the guard of a site to get on: it closes what the witness does not call active. Correct the witness instead.'
      : '',
  ]
  return `## Never\n\n${rules
    .filter((rule) => rule !== '')
    .map((rule) => `- ${rule}`)
    .join('\n')}`
}

const beforeTheFence = (_from: string, to: string): string =>
  `Never let ${to} accept writes before every step up to FENCE is done and seen: two sites that write are worse than none.`
const NEVER_OPEN: Readonly<Record<Mode, (from: string, to: string) => string>> = {
  switchover: beforeTheFence,
  failover: beforeTheFence,
  follow: (from, to) => `Never begin before the data is seen on ${to} alone: it may have moved back to ${from}.`,
  rejoin: (from, to) => `Never open the traffic to ${to}, and never start its application: ${from} is the active site.`,
  reopen: (_from, to) => `Never open ${to} while another site takes writes: look at each of them first.`,
}

const phaseWord = ({ phase }: PlannedStep, { intent: { mode, from, to } }: Plan): string => {
  const words: Partial<Record<PlannedStep['phase'], string>> = {
    PREFLIGHT: 'Nothing is changed yet.',
    PREPARE: 'No user notices anything yet.',
    DRAIN: mode === 'rejoin' ? '' : 'From here on users are refused.',
    FENCE: `${mode === 'rejoin' ? to : from} must not be able to accept a write when this ends.`,
    PROMOTE: 'The point of no return is the first step of this phase.',
    TRAFFIC: 'From here on users are served again.',
    PROTECT:
      'Users are served. The move is not over: without these steps the next disaster finds no backup and no second site.',
  }
  const word = words[phase] ?? ''
  return word === '' ? '' : `${word}\n\n`
}

function fenceFact({ fence, bestEffort }: PlannedStep): string[] {
  if (fence === undefined) return []
  if (bestEffort === undefined) return [`Fence: ${fence}`]
  return [`Fence: ${fence}, not needed for the required level: if it cannot be shut, go on`]
}

function section(
  step: PlannedStep,
  manual: Manual | null,
  numberOf: ReadonlyMap<string, number>,
  begins: number,
): string {
  const needs = step.needs.map((need) => numberOf.get(need)).filter((number) => number !== undefined)
  const facts = [
    `Where: ${step.site === null ? 'outside the sites' : oneLine(step.site)}`,
    ...(needs.length === 0 ? [] : [`After: ${needs.sort((a, b) => a - b).join(', ')}`]),
    `By Standby: at +${readableDuration(begins)}, for ${readableDuration(step.expected)}`,
    ...fenceFact(step),
    ...(step.irreversible ? ['**cannot be undone**'] : []),
  ]
  const lines = [`### ${numberOf.get(step.id)}. \`${oneLine(step.id)}\``, oneLine(step.title), facts.join(' · ')]
  if (manual === null)
    return [
      ...lines,
      'There is no short manual procedure. When only this step is left, the users are served or safe: repair Standby, then `standby failover resume` or a new plan does it.',
    ].join('\n\n')
  return [
    ...lines,
    ...(manual.commands.length === 0 ? [] : [`\`\`\`\`sh\n${manual.commands.join('\n')}\n\`\`\`\``]),
    `**Done when:** ${manual.expect}`,
    ...(manual.never === undefined ? [] : [`**Never:** ${manual.never}`]),
  ].join('\n\n')
}

/** The steps of the core: the lock, the point of no return, the end. */
function witnessStep(step: PlannedStep, { epoch, intent, stack }: Plan, witness: WitnessManual): Manual {
  const next = epoch + 1
  if (step.id === LOCK_STEP)
    return {
      commands: [
        ...witness.read('lock.json', '"released": true, or "expiresAt" in the past: else a run is at work, stop'),
        `# In lock.json: "epoch": ${next}, "holder": "by-hand", "purpose": "move: by hand", "expiresAt": tomorrow, "released": false`,
        ...witness.replace('lock.json'),
        ...witness.read('active.json', `must say "epoch": ${epoch} and "activeSite": "${intent.from}"`),
        `# In active.json: "epoch": ${next}, and nothing else`,
        ...witness.replace('active.json'),
      ],
      expect: `active.json says epoch ${next}, and still ${intent.from}. A process of an older epoch stops.`,
      never: `Go on when epoch or site were others: the plan of ${stack.name} is for another state. Make a new one.`,
    }
  if (step.id === activateStep(intent))
    return {
      commands: [
        ...witness.read('active.json', `must say "epoch": ${next} and "activeSite": "${intent.from}"`),
        `# In active.json: "activeSite": "${intent.to}", "since": now, "run": "by-hand"`,
        ...witness.replace('active.json'),
      ],
      expect: `active.json says ${intent.to}. From here on there is no way back: finish.`,
      never: `Do this before every fence above is seen. A guard on ${intent.from} closes it from now on, one on ${intent.to} lets it open.`,
    }
  return {
    commands: [
      ...witness.read('lock.json', 'yours'),
      '# In lock.json: "released": true',
      ...witness.replace('lock.json'),
    ],
    expect: 'lock.json says released.',
  }
}

const after = ({ intent }: Plan): string => `## Afterwards

- \`standby status\` is green, or says what is missing${leavesLostSite(intent) ? ` (${intent.from} is lost: it rejoins later)` : ''}.
- \`standby deploy --dry-run\` finds nothing to do.
- Keep your notes with the evidence of the runs (\`standby evidence list\`): no record has what was done by hand.`

/** Foreign text: one line, and never markup. */
const oneLine = (text: string): string =>
  text.replaceAll(/\s+/g, ' ').replaceAll(/[<>]/g, (char) => (char === '<' ? '&lt;' : '&gt;'))
const cell = (text: string): string => oneLine(text).replaceAll('|', '&#124;')
