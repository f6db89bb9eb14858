import { runLab } from './command.js'

/** Takes the lab down if these tests brought it up. */
// biome-ignore lint/style/noDefaultExport: Jest takes a global teardown from the default export
export default async function teardown() {
  if (!globalThis.labWasUp) await runLab('down')
}
