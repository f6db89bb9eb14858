import type { CaseVerdict } from '../judge-case.ts'
import type { MachinesFacts } from './run-machines-case.ts'

/**
 * Whether a case on machines kept every promise. In a failover only its own guard shuts a site that does not answer:
 * how long it takes writes until then is a figure, and no failure. Pure.
 */
export function judgeMachinesCase(facts: MachinesFacts): CaseVerdict {
  const { one, executed, rejoins, missing, acknowledged, twoWritersMs, longestGapMs, redis } = facts
  const inSeconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
  const { verdict, failure } = executed
  const failures = [
    ...(one.ends.includes(verdict) ? [] : [`the move ended ${verdict}: ${failure?.code ?? ''} ${failure?.what ?? ''}`]),
    ...(one.mode === 'switchover' && missing > 0 ? [`${missing} acknowledged writes are lost`] : []),
    ...(one.mode === 'switchover' && redis.lost.length > 0
      ? [`${redis.lost.length} acknowledged writes of Redis are lost`]
      : []),
    ...(one.mode === 'switchover' && twoWritersMs > 0 ? [`two sites took writes for ${inSeconds(twoWritersMs)}`] : []),
    ...(one.mode === 'failover' && rejoins.length === 0 ? ['no site has rejoined'] : []),
    ...rejoins.flatMap((rejoined) =>
      rejoined.verdict === 'moved' ? [] : [`the rejoin ended ${rejoined.verdict}: ${rejoined.failure?.what ?? ''}`],
    ),
  ]
  const figures = `${verdict} in ${inSeconds(executed.duration)}, ${acknowledged} acknowledged, ${missing} lost, longest gap ${inSeconds(longestGapMs)}, two writable databases for ${inSeconds(twoWritersMs)}; Redis: ${redis.acknowledged} acknowledged, ${redis.lost.length} lost, longest gap ${inSeconds(redis.longestGap)}`
  return { name: `${one.mode}, ${one.name}`, failures, figures }
}
