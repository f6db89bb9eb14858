import type { Plugin } from 'esbuild'

/**
 * KubeConfig imports the generated API only to make API clients, which we have no use for: marked as free of side
 * effects, it is shaken out.
 */
export const withoutGeneratedApi: Plugin = {
  name: 'without-generated-api',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^\./ }, async ({ path, pluginData, importer, ...at }) => {
      if (pluginData === 'asked' || !importer.includes('@kubernetes/client-node')) return
      const resolved = await resolve(path, { ...at, importer, pluginData: 'asked' })
      return resolved.path.includes('client-node/dist/gen/') ? { ...resolved, sideEffects: false } : resolved
    })
  },
}

/**
 * Two versions of undici would be two thirds of the bundle. KubeConfig makes its agents for the generated API,
 * @actions/http-client its proxies for OIDC tokens, and @actions/github an agent for a `fetch` that ours replaces. We go
 * through `node:https` and Node's own `fetch`. An agent may be made and not be used: what asks through it, or calls
 * this `fetch`, meets the error in the acceptance tests.
 */
export const withoutUndici: Plugin = {
  name: 'without-undici',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'left-out' }))
    const contents = `const leftOut = () => { throw new Error('undici was left out of this bundle, see scripts/bundle.ts') }
export class Agent { constructor() { leftOut() } }
export class ProxyAgent { dispatch() { leftOut() } }
export const fetch = leftOut
`
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents }))
  },
}
