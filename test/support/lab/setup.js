import { bringLabUp, labThatIsUp } from './command.js'

/** A lab that is up before the tests stays up after them, and is looked through once. */
// biome-ignore lint/style/noDefaultExport: Jest takes a global setup from the default export
export default async function setup() {
  globalThis.labBefore = labThatIsUp()
  if (globalThis.labBefore !== null) await bringLabUp(globalThis.labBefore)
}
