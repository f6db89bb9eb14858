import packageJson from '../../package.json' with { type: 'json' }

/** The version of this tool, as plans and evidence name it. */
export const TOOL_VERSION: string = packageJson.version
