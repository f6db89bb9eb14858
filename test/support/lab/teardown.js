import { bringLabUp, runLab } from './command.js'

/** Takes the lab down if these tests brought it up; one that was up before them is up after them, whatever they did. */
// biome-ignore lint/style/noDefaultExport: Jest takes a global teardown from the default export
export default async function teardown() {
  await (globalThis.labBefore === null ? runLab('down') : bringLabUp(globalThis.labBefore))
}
