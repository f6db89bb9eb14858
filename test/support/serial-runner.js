import TestRunner from 'jest-runner'

/** Runs test files one by one in this process, after all that run side by side: they share a lab, or measure time. */
// biome-ignore lint/style/noDefaultExport: Jest takes a runner from the default export
export default class SerialRunner extends TestRunner {
  isSerial = true
}
