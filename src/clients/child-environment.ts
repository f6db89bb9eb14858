/** What a child process is for: it decides which of our own variables it gets. */
export type ChildPurpose =
  /** Any program: ssh, ssh-keygen, a program that the stack file declares. */
  | 'program'
  | 'helm'
  /** The credential program of a kubeconfig: the only child that may log in to a cloud. */
  | 'login'

type Variables = Readonly<Record<string, string | undefined>>

/**
 * The environment of a child, built and not inherited: what every program needs, what this purpose needs, and what was
 * declared for it. A declared variable wins. Nothing of a runner (`INPUT_*`, `ACTIONS_*`, `GITHUB_*`, `RUNNER_*`) and
 * nothing of ours (`STANDBY_*`) is handed on unless it was declared by name. Pure.
 */
export function environmentFor(
  purpose: ChildPurpose,
  declared: Variables = {},
  own: Variables = process.env,
): Record<string, string> {
  const mayHave = Object.entries(own).filter(([name]) => EVERY.test(name) || OF_PURPOSE[purpose].test(name))
  return Object.fromEntries(
    [IN_A_SHELL, ...mayHave, ...Object.entries(declared)].flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const],
    ),
  )
}

/**
 * Node hands a child sockets as its pipes. A bash that finds a socket there and no SHLVL takes itself for a remote
 * login and reads ~/.bashrc first (bash manual, "Invoked by remote shell daemon"), which may take seconds and print
 * anything.
 */
const IN_A_SHELL = ['SHLVL', '1'] as const

/**
 * Where programs and their files are, how text is written, and how the network is reached: Go, OpenSSL, curl and Node
 * read these names.
 */
const EVERY =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|TMP|TEMP|XDG_(CONFIG|CACHE|DATA|STATE)_HOME|XDG_RUNTIME_DIR|(HTTP|HTTPS|ALL|NO)_PROXY|(http|https|all|no)_proxy|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS)$/

const NOTHING = /^(?!)/

const OF_PURPOSE: Readonly<Record<ChildPurpose, RegExp>> = {
  program: NOTHING,
  // Logins to OCI registries lie with helm or docker.
  helm: /^(HELM_CONFIG_HOME|HELM_REGISTRY_CONFIG|HELM_REPOSITORY_CONFIG|HELM_REPOSITORY_CACHE|HELM_PLUGINS|DOCKER_CONFIG|REGISTRY_AUTH_FILE)$/,
  // What `aws eks get-token`, gke-gcloud-auth-plugin, kubelogin, doctl, oci, ibmcloud, tsh, vault, Rancher and
  // OpenStack read.
  login:
    /^(KUBECONFIG|AWS_|GOOGLE_|GCLOUD_|CLOUDSDK_|GCE_|AZURE_|AAD_|ARM_|MSI_|IDENTITY_|DIGITALOCEAN_|DOCTL_|OCI_|IBMCLOUD_|TELEPORT_|TSH_|VAULT_|RANCHER_|OS_|DOCKER_CONFIG$|KRB5)/,
}
