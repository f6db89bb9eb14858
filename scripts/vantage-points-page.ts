import { UNSEEN } from '../src/errors/unseen.ts'
import { GENERATED } from './generated-mark.ts'

/** The page of the documentation, as it must be in `docs/vantage-points.md`. */
export function vantagePointsPage(): string {
  const rows = Object.values(UNSEEN).map(
    ({ met, vote, because, code }) => `| ${met} | **${vote}** | ${because} | \`${code}\` |`,
  )
  return [
    '# What counts as up, down or unknown',
    '',
    GENERATED,
    '',
    'Whether a site lives is a vote of vantage points: the runner, the load balancers, a database that streams from another one, a power control.',
    'A site is **up** when one of them sees it, **down** when none does and at least two different ones say that it is down, and **unknown** otherwise.',
    'A failover away from a site that is up must fence its database.',
    '',
    'The table shows how the runner judges what it finds at the address of an API server. An answer of the API server itself is a sign of life.',
    'A fault on the side of the runner is no vote. A runner that reaches neither the witness nor any site has no vote either.',
    '',
    '| what is met | vote | why | code of the finding |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    '## How long an answer is waited for',
    '',
    'A site that gives no sign of life for 3 s is silent. One lost packet does not matter: it is sent again after a second.',
    'Where a connection was established, the wait grows with the time that it took: up to 15 s for the site, and up to 45 s for later requests to it.',
    'The same rule holds for every call, also in a deploy and in a move: its deadline is meant for a short way, and over a long one it is eight',
    'round trips longer (20 s at most), and thirty for a login by ssh (45 s). An API server is measured by its connections; an object store, a load balancer and a',
    'power control by one TCP connection, once an answer is late. A silent server gets no more time.',
    'A request to an API server or an object store that changes nothing is sent once more, over another connection, when no answer came for 5 s (8 s over 1.5 s):',
    'two lost packets in a row make TCP pause for 9 to 20 s. The first answer counts, and the deadline stays. A request that changes something is sent once; a command in a',
    'pod, or by ssh, may change something, and is not sent again.',
    'A switchover over a way of 1.5 s that loses 5 % of its packets serves users at the new site, and shuts them out for minutes instead of seconds',
    '([measured](benchmarks.md#a-far-runner-2026-11-29)): each step makes several requests, one after another. Run a move from a runner near its sites.',
    'The credential program of a kubeconfig is started once, before that time begins, and has 15 s of its own.',
    '',
    'It gets PATH, HOME, locale, proxies and certificate authorities, the usual variables of clouds (`AWS_*`, `GOOGLE_*`, `AZURE_*` and their like),',
    'the values of the input `credentials` except kubeconfigs, and on a command line the variables that `STANDBY_LOGIN_ENV` names. No other program gets these.',
    '',
  ].join('\n')
}
