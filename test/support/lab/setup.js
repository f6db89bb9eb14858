import { labIsUp, runLab } from './command.js'

/** A lab that is up before the tests stays up behind them, and is looked through once. */
// biome-ignore lint/style/noDefaultExport: Jest takes a global setup from the default export
export default async function setup() {
  globalThis.labWasUp = labIsUp()
  if (globalThis.labWasUp) await runLab('up')
}
