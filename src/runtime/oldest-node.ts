/**
 * The oldest major version of Node that runs this program, as in `engines` of package.json and `using:` of the actions.
 */
export const OLDEST_NODE = 24

/** What an older Node is refused with; the entry points in `dist/` say it before they load anything else. */
export const NODE_TOO_OLD = {
  code: 'node-too-old',
  what: `Standby needs Node ${OLDEST_NODE} or newer`,
  next: `Install Node ${OLDEST_NODE} (https://nodejs.org), or use a runner that knows node${OLDEST_NODE}. Nothing was changed.`,
}
