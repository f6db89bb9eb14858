import * as core from '@actions/core'
import { PHASES } from '../domain/plan.ts'
import type { ProgressEvent } from '../execution/progress.ts'
import type { Log } from '../runtime/log.ts'
import { harmlessToRunner } from '../values/harmless-text.ts'
import { withoutSecrets } from './inputs.ts'

/**
 * The log of an action. A warning is a line, not an annotation: annotations are for what a person must do, and {@link
 * finish} writes them.
 */
export const actionLog: Log = {
  info: (line) => core.info(harmlessToRunner(withoutSecrets(line))),
  warning: (line) => core.info(`\u001b[33m! ${harmlessToRunner(withoutSecrets(line))}\u001b[0m`),
  debug: (line) => core.debug(harmlessToRunner(withoutSecrets(line))),
}

/** Opens one log group per phase of a move; a step that began early or ends late does not open its phase again. */
export function phaseGroups(): { readonly listener: (event: ProgressEvent) => void; readonly end: () => void } {
  let reached = -1
  const end = (): void => {
    if (reached >= 0) core.endGroup()
  }
  return {
    listener(event) {
      const index = event.kind === 'phase' ? (PHASES as readonly string[]).indexOf(event.phase) : -1
      if (event.kind !== 'phase' || index <= reached) return
      end()
      reached = index
      core.startGroup(event.phase)
    },
    end,
  }
}
