/** The part of ncc's programmatic interface that `bundle.ts` uses; the package has no types. */
declare module '@vercel/ncc' {
  interface NccOptions {
    readonly minify?: boolean
    readonly target?: string
    readonly quiet?: boolean
    readonly cache?: string | false
  }
  interface NccOutput {
    readonly code: string
    readonly assets: Readonly<Record<string, unknown>>
  }
  // biome-ignore lint/style/noDefaultExport: that is how ncc exports itself
  export default function ncc(entry: string, options: NccOptions): Promise<NccOutput>
}
