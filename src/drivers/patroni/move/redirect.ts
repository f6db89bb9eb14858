import type { Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import {
  type AsSeen,
  type DatabaseRun,
  direct,
  invalidateConfig,
  isDirectedTo,
  pausedIn,
  readStoreOf,
  siteOf,
  wakeAgain,
} from '../run.ts'
import { directing } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'
import { type Following, hasFollowed, type OfFollowing } from './follow.ts'

/** A passive site that is neither end of a move follows the active one from now on. */
export const followerSteps = (component: Database, follower: SiteName, intent: Intent): DriverStep[] =>
  component.spec.sites[follower] === undefined || intent.mode === 'rejoin' || intent.mode === 'reopen'
    ? []
    : [
        planStep<PatroniSpec, OfFollowing, Following>(redirect, follower, {
          phase: 'PROTECT',
          title: `Has ${clusterNamed(component, follower)} follow ${intent.to} from now on, and waits until it streams on its timeline`,
          deadline: minutes(5),
          expected: seconds(8),
          parameters: { followed: intent.to },
        }),
      ]

type Run = DatabaseRun<OfFollowing>

export const redirect: Action<PatroniSpec, OfFollowing, Following> = {
  name: 'redirect',
  parameters: parametersOf<OfFollowing>({ followed: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const { followed } = run.step.parameters
      const view = await readStoreOf(run, siteOf(run))
      if (isDirectedTo(run.component, siteOf(run), view, followed)) return hasFollowed(run, followed)
      return (
        pausedIn(view, siteOf(run)) ?? {
          is: 'pending',
          waitingFor: `${clusterNamed(run.component, siteOf(run))} to follow ${followed}`,
          due: { revision: view.config.revision },
        }
      )
    },
    apply: (run: Run, seen: AsSeen) => direct(run, siteOf(run), seen, run.step.parameters.followed),
    invalidate: (run: Run) => invalidateConfig(run, siteOf(run)),
    nudge: { every: seconds(3), send: (run: Run) => wakeAgain(run, siteOf(run)) },
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step) => ({
      commands: directing(component, step.site, step.parameters.followed),
      expect: 'The standby leader streams from the new active site, on its timeline.',
    }),
  },
}
