/** One change of the source that breaks a promise, and the tests of which at least one must fail with it. */
export interface PlantedChange {
  /** The promise that it breaks. */
  readonly breaks: string
  /** Below the root of the repository. */
  readonly file: string
  /** A text that stands exactly once in the file. */
  readonly find: string
  readonly put: string
  /** Patterns of test files, as Jest takes them. */
  readonly tests: readonly string[]
}

const EXECUTION = ['test/unit/execution/', 'test/unit/operations/', 'test/model/conformance']
const PLANNING = ['test/unit/planning/', 'test/unit/operations/']
const APPROVAL = ['test/unit/approval/']
const GUARD = ['test/unit/guard/']

const changes =
  (file: string, tests: readonly string[]) =>
  (breaks: string, find: string, put: string): PlantedChange => ({ breaks, file, find, put, tests })

const transition = changes('src/execution/transition.ts', EXECUTION)
const gates = changes('src/execution/gates.ts', EXECUTION)
const executeMove = changes('src/execution/execute-move.ts', EXECUTION)
const runSteps = changes('src/execution/run-steps.ts', EXECUTION)
const renewal = changes('src/execution/lock-renewal.ts', EXECUTION)
const singleRun = changes('src/execution/single-run.ts', [
  'test/unit/operations/deploy',
  'test/unit/execution/witness-time',
])
const followingJournal = changes('src/execution/following-journal.ts', ['test/unit/operations/deploy'])
const deploy = changes('src/operations/deploy.ts', ['test/unit/operations/'])
const deploySteps = changes('src/operations/deploy-steps.ts', ['test/unit/operations/deploy'])
const refuseDeploy = changes('src/operations/refuse-deploy.ts', ['test/unit/operations/'])
const bestEffort = changes('src/planning/best-effort.ts', [...PLANNING, ...EXECUTION])
const assessMove = changes('src/planning/assess-move.ts', PLANNING)
const judgeApproval = changes('src/approval/judge-approval.ts', APPROVAL)
const judgePlan = changes('src/approval/judge-plan.ts', APPROVAL)
const judgeEnvironment = changes('src/approval/judge-environment.ts', APPROVAL)
const requiredFence = changes('src/planning/required-fence.ts', PLANNING)
const selfFencing = changes('src/planning/self-fencing.ts', PLANNING)
const liveness = changes('src/planning/liveness.ts', ['test/unit/planning/', 'test/unit/observation/'])
const orderSteps = changes('src/planning/order-steps.ts', [...PLANNING, ...EXECUTION])
const decide = changes('src/guard/decide.ts', GUARD)
const closingTime = changes('src/guard/closing-time.ts', [
  ...GUARD,
  'test/unit/drivers/guard/',
  'test/unit/planning/self',
])
const closeSite = changes('src/guard/close-site.ts', [
  ...GUARD,
  'test/unit/drivers/redis/fence',
  'cloudnative-pg/hanging',
])

const promote = changes('src/drivers/cloudnative-pg/move/promote.ts', ['test/unit/drivers/cloudnative-pg/'])

/** Changes of `src/{planning,execution,approval,guard}` and of what they rest on, each with the promise that it breaks. */
export const PLANTED_CHANGES: readonly PlantedChange[] = [
  // The course of a run.
  transition(
    'the way back begins with the point of no return',
    'step.id === course.pointOfNoReturn ? 0 : 1,',
    'step.id === course.pointOfNoReturn ? 1 : 0,',
  ),
  transition('the way back takes steps back last first', '-forward.indexOf(step),', 'forward.indexOf(step),'),
  transition(
    'nothing is carried out after the lock is lost',
    "if (run.lost) return [{ do: 'end', verdict: 'stopped' }]",
    '',
  ),
  transition('a run that has ended does nothing more', 'if (run.ended) return []', ''),
  transition(
    'a run that makes no progress ends',
    "return state === 'cleared' || state === 'missing' ? 'applied' : state",
    'return state',
  ),
  transition(
    'an effect is preceded by a look at the lock',
    "to(needsLock(step) ? 'assert-ours' : 'apply')",
    "to('apply')",
  ),
  transition(
    'the way back looks at the lock before each step',
    "return [{ do: 'assert-ours', step: step.id }]",
    "return [{ do: 'take-back', step: step.id }]",
  ),
  transition('what may have happened is taken back', "    'applied',\n    'holds',", "    'holds',"),
  transition(
    'a run that passed the point of no return does not turn back',
    'return !isDone(state) && state !== ',
    'return state !== ',
  ),
  transition(
    'a run without a lock takes nothing back',
    "run.steps[course.lock] === 'failed') return false",
    "run.steps[course.lock] === 'done') return false",
  ),
  gates('a promotion waits for the fence that is demanded', 'return reachedBy(seen, course.required)', 'return true'),
  gates(
    'every irreversible step waits for the fence',
    'step.id === course.pointOfNoReturn || step.irreversible) return true',
    'step.id === course.pointOfNoReturn) return true',
  ),
  gates(
    'a fence of an earlier phase counts for a gate',
    '(isBefore(step.phase, gated.phase) || needed',
    '(isBefore(gated.phase, step.phase) || needed',
  ),
  runSteps('a process that lost the lock touches nothing more', "if (reason.code === LOST) note({ is: 'lost' })", ''),
  runSteps(
    'the first failure stops what runs beside it',
    'if (run.course.stopsOthers || reason.code === LOST) stopping.abort(failure)',
    'if (reason.code === LOST) stopping.abort(failure)',
  ),
  runSteps(
    'what was seen of a fence grows old',
    "if (sighted.length > 0 && sighted.every(isOlder(bound))) note({ is: 'faded' })",
    '',
  ),
  executeMove(
    'the lock is looked at by the time of the witness',
    'await witnessTime(move.store, clock)),\n      signal',
    'clock.now()),\n      signal',
  ),
  executeMove(
    'a run whose lock is lost stops',
    'signal: AbortSignal.any([move.signal, lost.signal]),',
    'signal: move.signal,',
  ),
  executeMove(
    'a silent witness does not outlive the run that asks it',
    '{ clock, signal, log: context.log })',
    '{ clock, signal: new AbortController().signal, log: context.log })',
  ),
  executeMove('an undone run releases its lock', "if (verdict === 'undone') await releaseLock(move.store, holder)", ''),
  executeMove(
    'a stopped run leaves nobody to wait for its lock',
    "if (verdict === 'stopped')\n",
    "if (verdict === 'moved')\n",
  ),
  executeMove('a run that has ended is not continued', '  refuseEnded(move.run, journal)\n', ''),
  executeMove('a run is continued with its own plan', '  refuseOtherPlan(move, journal)\n', ''),
  executeMove(
    'an abort beyond the point of no return is refused',
    "if (move.how === 'abort') refuseTooLate(course, from)",
    '',
  ),
  executeMove('a plan without its fence is refused', "if (move.how !== 'abort') refuseUnfenced(course, move.plan)", ''),
  renewal(
    'a lost lock says which holder took it',
    "if (renewal.is === 'taken') lost.abort(lockLost(holder, renewal))",
    "if (renewal.is === 'taken') lost.abort(new Error('lost'))",
  ),
  renewal('a lost lock stops the run', "if (renewal.is === 'taken') lost.abort(lockLost(holder, renewal))", ''),
  renewal(
    'a run that another process continues stops',
    "if (reason.code === 'run-continued-elsewhere') lost.abort(reason)\n      else ",
    '',
  ),
  renewal('no renewal comes after the end of a run', '() => !stopped)', '() => true)'),
  // A plan.
  requiredFence(
    'a site that is seen alive is shut out of its database',
    'return declared !== null && alive ? higher(declared, most) : declared',
    'return declared',
  ),
  assessMove(
    'a plan whose fence is too low is refused',
    '!changesActiveSite(intent)) return { required: null, planned: [] }',
    'intent !== null) return { required: null, planned: [] }',
  ),
  bestEffort('a fence that is needed is not given up', '  if (fence === holding) return false\n', ''),
  bestEffort(
    'the lock that holds data on the new site is not given up',
    '  if (seesHeld(step, intent)) return false\n',
    '',
  ),
  selfFencing(
    'what no guard can close is not left to a guard',
    'if (guards.length > 0 && unguarded !== undefined)',
    'if (guards.length < 0 && unguarded !== undefined)',
  ),
  selfFencing(
    'a promotion waits for the guard of the lost site',
    'if (reaches(fenceLevels(steps, toShut), waitedFor)) return []',
    'if (steps.length > 0) return []',
  ),
  selfFencing(
    'a guard that cannot be seen is not waited for',
    "under?.kind !== 'answering' || states",
    "under?.kind !== 'silent' || states",
  ),
  liveness('one vantage point alone does not call a site dead', 'return down >= 2', 'return down >= 1'),
  liveness(
    'one vantage point is enough to call a site alive',
    "sightings.some(({ says }) => says === 'up')",
    "sightings.every(({ says }) => says === 'up')",
  ),
  liveness(
    'a runner that is cut off does not vote',
    "signal.says === 'down' && isIsolated(observation) ? 'unknown'",
    "signal.says === 'down' && isIsolated(observation) ? 'down'",
  ),
  orderSteps(
    'a step waits for what it needs',
    'step.needs.every((need) => done.has(need)),',
    'step.needs.length >= 0,',
  ),
  orderSteps(
    'a step waits for earlier phases',
    'rank(step.mayBeginIn ?? step.phase) <= firstOpenPhase',
    'rank(step.mayBeginIn ?? step.phase) >= 0',
  ),
  // A deploy.
  deploy(
    'a deploy gives each site its role',
    "site === activeSite ? 'active' : 'passive'",
    "site === activeSite ? 'passive' : 'active'",
  ),
  refuseDeploy('a deploy does not open what an unfinished move closed', '  refuseUnfinishedMove(observation)\n', ''),
  refuseDeploy('a deploy sees every site before it changes one', '  refuseSilentSites(world, observation)\n', ''),
  deploy('a deploy refuses as a whole', 'refused !== null || request.dryRun ||', 'request.dryRun ||'),
  deploy('what runs beside a failed unit of a deploy ends by itself', 'stopsOthers: false', 'stopsOthers: true'),
  transition(
    'a unit that has begun beside a failed one is carried to its end',
    'run.failed && course.stopsOthers',
    'run.failed',
  ),
  runSteps('each unit that failed is warned of', ' || !run.course.stopsOthers\n', '\n'),
  deploySteps(
    'a unit is compared again right before it is applied',
    'if (!applied) {',
    'if (!applied && compared !== null) {',
  ),
  deploySteps(
    'a unit of which nothing differs is not applied',
    'if (compared === null || compared.length === 0) return\n',
    '',
  ),
  deploySteps(
    'a unit of which nothing differs is not waited for',
    "if (!differed && !begun) return { is: 'done', proof: {} }",
    '',
  ),
  deploySteps(
    'the first active site is named before the first unit',
    'needs: [...first, ...(needs.get(unit.id) ?? [])]',
    'needs: [...(needs.get(unit.id) ?? [])]',
  ),
  singleRun(
    'a deploy looks at its lock before each effect',
    'if (holdsLock) await assertStillOurs',
    'if (epoch < 0) await assertStillOurs',
  ),
  followingJournal(
    'a witness with older rights stops no deploy',
    'else log.warning(',
    'else continuedElsewhere(reason)\n    log.warning(',
  ),
  singleRun('a run that ends gives its lock back', '() => releaseLock(store, run)', '() => Promise.resolve()'),
  // An approval.
  judgePlan(
    'the approved digest is the digest of the plan',
    'plan.digest === approved\n',
    'plan.digest !== "" || approved !== ""\n',
  ),
  judgePlan('a plan expires', 'Date.parse(plan.expiresAt) > Date.parse(now)', 'Date.parse(plan.expiresAt) > 0'),
  judgeApproval(
    'a re-run is refused',
    'run.run_attempt !== 1 || expected.attempt !== 1',
    'run.run_attempt !== expected.attempt',
  ),
  judgeApproval(
    'the requester does not approve',
    '[run.actor.id, run.triggering_actor.id].includes(user.id)',
    '[run.triggering_actor.id].includes(user.id)',
  ),
  judgeApproval(
    'a person approves',
    'const byPeople = given.filter((entry) => isPerson(entry.user))',
    'const byPeople = given',
  ),
  judgeApproval(
    'a reviewer of the environment approves',
    'independent.some((entry) => mayReview(gate.environment, entry.user))',
    'independent.length > 0',
  ),
  judgeApproval(
    'a rejection counts more than an approval',
    "ours.some((entry) => entry.state === 'rejected')",
    "ours.every((entry) => entry.state === 'rejected')",
  ),
  judgeApproval('an environment is known by its id', 'one.id === id && one.name === name', 'one.name === name'),
  judgeApproval('the run is of the newest commit', 'if (branchTip !== expected.sha)', 'if (branchTip === "")'),
  judgeApproval(
    'one person counts once',
    '.map(({ user }) => [user.id, user.login]),',
    '.map(({ user }, at) => [user.id + at, user.login]),',
  ),
  judgeEnvironment('an environment without reviewers protects nothing', 'rules.length === 0 || rules', 'rules'),
  judgeEnvironment(
    'what an environment does not say counts as off',
    'environment.can_admins_bypass !== false',
    'environment.can_admins_bypass === true',
  ),
  judgeEnvironment('an environment is used from one branch', '    allowed.length === 1 &&\n', ''),
  // The promotion of a database.
  promote(
    'a promotion is done on a new timeline',
    'instance.timeLineID <= token.timeline',
    'instance.timeLineID < token.timeline',
  ),
  // The guard.
  decide(
    'a guard closes a site that is not active',
    "if (known.readable) return { do: 'close', because: 'not-active' }",
    '',
  ),
  decide(
    'a guard closes an active site after closeAfter',
    "tooLong ? { do: 'close', because: 'silent-too-long' }",
    "false ? { do: 'close', because: 'silent-too-long' }",
  ),
  decide(
    'a guard closes after its silence',
    'return silentFor >= rules.silence\n',
    'return silentFor > rules.silence * 2\n',
  ),
  decide('a guard believes no older epoch', 'if (epoch < known.epoch) return', 'if (epoch < 0) return'),
  decide(
    'a guard that slept knows nothing',
    'now < before.aliveAt || now - before.aliveAt > rules.silence',
    'now < before.aliveAt',
  ),
  decide('a reading proves what was true when it was asked for', 'readAt: askedAt,', 'readAt: now,'),
  decide(
    'an epoch changes its active site once',
    'if (epoch === known.epoch && known.changed && another)',
    'if (known.changed && epoch < 0 && another)',
  ),
  closeSite(
    'a guard touches the cluster of its own site alone',
    'if (!isDeclared) return',
    "if (declared === '') return",
  ),
  closeSite('a guard asks again before it closes', 'if (!(await mayClose())) return NOTHING', 'await mayClose()'),
  closeSite('a guard leaves what is passive alone', "|| state.role === 'passive') return []", ') return []'),
  closingTime(
    'the wait for a guard includes a new start',
    'Math.max(closeAfter, silence) + silence',
    'Math.max(closeAfter, silence)',
  ),
  closingTime('the wait for a guard includes its last round', 'proof + lastRound + closing', 'proof + closing'),
]
