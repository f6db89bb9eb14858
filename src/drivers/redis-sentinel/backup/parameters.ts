/** `folder`: of the dumps, below the prefix of the store; ends with `/`. */
export type TakeDump = { readonly folder: string }
