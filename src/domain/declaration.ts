export interface Claim {
  /** `kubernetes dc-a infisical/Cluster/pg-dc-a`, `archive archive/`. */
  readonly key: string
  /**
   * Claims only what is below this in `key`, such as `redis/`; all of it when absent. Two claims must not contain each
   * other.
   */
  readonly below?: string
  /** Where in the component it is declared: ['sites', 'dc-a', 'cluster']. */
  readonly path: readonly string[]
}

/** A file or folder of the user, as the stack file names it, and what it must be. */
export interface NamedPath {
  readonly path: string
  /**
   * `mapping`: one YAML file that holds a mapping. `chart`: the folder of a Helm chart. `certificates`: one or more, in
   * PEM.
   */
  readonly is: 'mapping' | 'chart' | 'certificates'
}

export interface SpecProblem {
  readonly path: readonly string[]
  readonly what: string
  /** Reported, and no reason to refuse the file. */
  readonly severity?: 'warning'
  readonly candidates?: readonly string[]
}
