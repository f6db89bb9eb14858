/**
 * The core's stable codes and their meanings. Each operation ends with a code, and each finding carries one. A driver
 * declares its own (`declareCodes`); `npm run generate` writes both to docs/reason-codes.md. Users and workflows branch
 * on codes: a code is never renamed, and never gets a new meaning. Texts may change.
 */
export const REASON_CODES = {
  'Good ends': {
    'status-green': 'Nothing to warn of.',
    'status-degraded': 'It serves, and at least one warning stands.',
    'stack-sound': 'The stack file and the files that it names are sound, as far as that can be seen offline.',
    'deploy-unchanged': 'Every site is in its declared state; nothing was changed.',
    'deploy-changed': 'What differed was brought to its declared state.',
    'deploy-would-change': 'A dry run: something differs; nothing was changed.',
    'backup-restorable': 'The backups were restored and all checks of the data passed.',
    'backup-degraded': 'The backups can be restored, and an objective (age, time) is missed.',
    'plan-ready': 'The plan has no blocker; it waits for its reviewer.',
    moved: 'The stack serves from the new site, all checks green.',
    reopened: 'The active site, which its guard or a fence had shut, serves again.',
    rejoined: 'The former active site follows the active one as a passive site, and its backups exist.',
    aborted: 'The run was taken back, and the old site serves as before.',
  },
  'Bad ends': {
    'status-broken': 'At least one finding blocks every move.',
    'change-refused':
      'The API server, a rule of the cluster or an adoption refuses a change that the stack declares; nothing was changed.',
    'deploy-failed': 'A part of the deploy failed; nothing after it was changed.',
    'backup-not-restorable': 'A check of the restored data failed.',
    'backup-inconclusive': 'The restore test failed before it could judge the backups. Never counted as good.',
    cancelled: 'A person or the runner stopped the run.',
    'step-timeout': 'A step did not reach its post-condition within its deadline; the text says what it waited for.',
    'internal-error': 'An unforeseen error: a defect of Standby.',
  },
  'Inputs and stack file': {
    'proxy-invalid': 'A proxy that the environment names is no address, or this Node knows no proxies.',
    'node-too-old': 'The program runs on a Node that is older than 24.',
    'input-missing': 'A required input is not set.',
    'input-invalid': 'An input has a value that it cannot have.',
    'unknown-input': 'An input is given that does not exist; most likely a typo.',
    'credentials-invalid': 'The input credentials is not one JSON object of texts.',
    'not-confirmed': 'The typed confirmation is not the name of the target site.',
    'reason-missing': 'An execution from the command line needs a reason for the evidence.',
    'stack-not-found': 'The stack file cannot be read.',
    'stack-warning':
      'The stack file holds something that works but that its owner should know; the finding says where and what.',
    'stack-invalid': 'The stack file is wrong; all problems are listed with their lines.',
    'output-not-writable': 'A file that the result is written to cannot be written.',
    'sandbox-on-active-site': 'A restore test is asked for on the active site.',
    'identity-missing': 'A site has no account for an identity: the objects of standby rbac were not applied.',
    'unknown-site': 'A site is named that the stack file does not declare.',
    'unknown-component': 'A component is named that the stack file does not declare.',
    'unknown-witness': 'The stack file names a kind of witness that does not exist.',
    'not-a-database': 'A component is asked for SQL and is not a database.',
    'not-an-object-store': 'A component is used as an object store and is not one.',
    'credential-missing': 'A credential that the stack file refers to is not set, or its Secret lacks the key.',
    'credential-unusable':
      'A credential holds a line break or another character with which it cannot be sent; line breaks at its end are left out.',
    'credential-not-local': 'A credential that is needed before any site is connected lies in a Kubernetes Secret.',
    'kubeconfig-invalid': 'The kubeconfig of a site cannot be used.',
  },
  'Plan, approval and witness': {
    'already-active': 'The target is the active site already.',
    'not-the-active-site': 'The move would start at a site that is not the active one.',
    'active-site-undeclared': 'The witness names an active site that the stack file does not declare.',
    'witness-emptied': 'The witness names no active site, but sites hold what a deploy of this stack has made.',
    'never-deployed': 'The witness knows no active site: the first deploy is missing.',
    'plan-not-found': 'The plan file cannot be read.',
    'plan-invalid': 'The file is not a plan of this tool.',
    'plan-for-another-site': 'The plan, or the run, is for another site than the one that was asked for.',
    'plan-expired': 'The plan waited too long for its reviewer.',
    'plan-stale': 'A fact that the plan rests on has changed, or the digest is another one.',
    'plan-already-executed': 'The plan was executed already; each plan is executed once.',
    'other-site-may-write':
      'The active site is not opened again while another site cannot be seen and may take writes.',
    'moved-by-itself':
      'A component takes its writes on another site than the witness says: it has moved there without Standby.',
    'nothing-to-follow': 'A follow is asked for, and nothing is seen to have moved to its target by itself.',
    'follow-would-promote':
      'A follow would have to promote data that has not moved by itself: that is for a failover alone.',
    'fence-too-low': 'The plan does not shut the old site out as far as the stack, or its being alive, demands.',
    'clock-skewed':
      'The clocks of this machine and of the witness differ by more than 30 s. Decisions use the clock of the witness.',
    'clock-wrong': 'The clocks differ by more than 5 min: nothing is changed from this machine.',
    'fence-missing':
      'No step shuts the old site as far as the stack demands: the plan was altered, and the engine refuses it.',
    'fence-open':
      'The witness no longer names the new site, although the journal has it: someone changed the witness during the run.',
    'fence-unseen':
      'A fence is on record, but its site is silent now: nothing shows that it still holds, so nothing is promoted.',
    'fence-unproven': 'A fence is declared, but nothing shows that it holds: its node is dead or cut off.',
    'loss-not-accepted': 'A failover loses writes, and no bound for the loss is accepted.',
    'loss-unknown': 'The loss of a failover is unknown, and a person has accepted that.',
    'loss-measured':
      'Any loss of a failover was accepted, even one that cannot be measured. This loss can be measured: a bound is more precise.',
    'loss-above-bound': 'A failover would lose more than was accepted, or an unknown amount.',
    'lost-site-touched': 'A step of a failover asked the lost site for something: a defect of a driver.',
    'plan-defect':
      'The structure of a plan shows that it must not be signed or executed: a fence without a step, an effect before its fence, an expiry other than declared.',
    'reviewer-required':
      'Reviewers on GitHub approve moves of this stack, and it names no keys that could sign instead.',
    'move-unfinished': 'A move holds the lock and has not ended: nothing else may change the stack.',
    'lock-held': 'Another run holds the lock of this stack.',
    'lock-lost': 'The lock was lost during the run; nothing irreversible was begun after that.',
    'past-point-of-no-return': 'The witness names the new site already: the move only goes forward. Resume it.',
    'result-unproven':
      'A promotion or a removal is on record as done, but this process does not see that it holds: no later step relies on it.',
    'reverted-after-return':
      'A step was taken back although the witness names the new site: a person must look before the run continues.',
    'run-continued-elsewhere':
      'Another process has written to the journal of this run: that process continues it, and this one stops.',
    'other-version':
      'Another version of Standby began the run: it may know other steps. Continue it, or take it back, with that version.',
    'run-ended': 'The run that should be continued has ended.',
    'run-unknown': 'The witness holds no plan of this run.',
    'epoch-would-shrink': 'A run tried to write an older epoch: a defect, refused by the witness.',
    'witness-unreachable': 'The witness could not be asked; a run waits for it, or ends without an effect.',
    'witness-throttled': 'The witness limits requests, and still did after the longest wait.',
    'witness-denied': 'The storage of the witness denies a request: the key is wrong, or a right is missing.',
    'witness-busy': 'Another request changed the same object of the witness each time that this one tried to.',
    'witness-silent': 'The witness does not answer: the active site is unknown.',
    'witness-beside-active': 'The witness is kept inside the active site: a loss of that site takes both.',
    'witness-at-target': 'The witness is kept inside the site that would become the active one.',
    'witness-at-source': 'The witness is kept inside the site that the move leaves.',
    'witness-conflict': 'Another process wrote to the witness at the same time.',
    'witness-weak': 'The witness ignores or does not know preconditions: two runs could both take the lock.',
    'witness-damaged': 'An object in the witness is not what Standby wrote.',
    'evidence-broken': 'A record of the evidence was changed, removed or rewritten since it was written.',
    'evidence-busy': 'Others appended evidence each time that this run tried to.',
    'evidence-not-found': 'The evidence holds no record of this run.',
    'roles-disagree': 'A component has another role than the one that the witness gives its site.',
    'active-on-passive-site': 'A component is active on a site that the witness calls passive.',
    'passive-on-active-site': 'A component is passive on the site that the witness calls active.',
  },
  'Reviewers on GitHub': {
    'approval-not-declared': 'The stack file names no environment of GitHub.',
    'not-in-github': 'The job lacks the values that identify a run of GitHub.',
    'approval-unreadable': 'A part of the gate cannot be read: it has not been shown to exist.',
    'environment-missing': 'The environment does not exist, or the token may not see it.',
    'environment-mismatch': 'GitHub answered with another environment.',
    'environment-unprotected': 'The environment demands no reviewer.',
    'plan-environment-approves':
      'The plan job runs in an environment whose reviewers approve: they would do so before there is a plan.',
    'self-review-allowed': 'People may approve their own runs.',
    'admins-can-bypass': 'Administrators may bypass the rules, or GitHub does not say.',
    'branch-policy-open': 'More than the one declared branch may use the environment.',
    'branch-not-allowed': 'The run belongs to another branch.',
    'branch-moved': 'The branch has a newer commit than the one of this run.',
    'run-mismatch': 'The run is another one, or of another commit.',
    'rerun-refused': 'This is not the first attempt: an approval of an earlier one could be meant.',
    'not-approved': 'This run was not approved.',
    'approval-rejected': 'A reviewer rejected this run.',
    'requester-not-a-person': 'A workflow, an app or a deleted account started the run.',
    'approver-not-a-person': 'Only an app or a deleted account approved an environment.',
    'approver-is-requester': 'The person who started the run approved it.',
    'approver-not-reviewer': 'The person who approved is not a reviewer of the environment.',
    'approvers-too-few': 'Fewer different people approved than the stack file demands.',
    'event-not-allowed': 'The run was started by an event that strangers can cause.',
    'plan-of-another-run': 'The plan was made in another run than the one that was approved, or outside of GitHub.',
    'digest-mismatch': 'The plan is not the one whose digest was approved.',
  },
  'Approval without GitHub': {
    'approval-missing': 'The stack file demands an approval, and none was given.',
    'approval-unproven': 'The witness says that a run was approved, but this terminal has no proof of it.',
    'approval-not-allowed':
      'The approval of a run is not of the kind that the stack file demands now, or for something else.',
    'signatures-not-declared': 'Signatures are given, and the stack file names no keys.',
    'signature-not-found': 'The file of a signature cannot be read.',
    'signature-unreadable': 'A file is not a signature of ssh-keygen, or is damaged.',
    'signature-algorithm': 'A signature is not by an Ed25519 key.',
    'signature-namespace': 'A signature was made for another purpose than approving a plan.',
    'signature-by-stranger': 'A signature is by a key that the stack file does not name.',
    'signature-wrong': 'A signature is not for this plan, reason and requester.',
    'signatures-too-few': 'Fewer different keys signed than the stack file demands.',
    'signer-is-requester': 'The requester signed the move, and without that signature there are too few.',
  },
  'Sites, Kubernetes and hosts': {
    'wrong-cluster': 'A kubeconfig leads to another cluster than the declared one. Nothing is done.',
    'wrong-host': 'A host shows another host key or machine-id than the declared one. Nothing is done.',
    'unknown-host': 'A site declares no host of this name.',
    'platform-missing': 'A site does not declare the platform that is asked for, such as a cluster.',
    'site-silent': 'A site does not answer.',
    'site-unreachable': 'The API server of a site cannot be reached, or answers with an error of its own.',
    'site-denied': 'The API server or a host of a site answers, and does not let this identity look.',
    'site-untrusted':
      'The server that answers for a site shows a certificate that proves nothing: its identity is unknown.',
    'site-name-unresolved': 'The name of a site does not resolve here.',
    'site-proxy-failed': 'The proxy or the jump host on the way to a site fails.',
    'network-unreachable': 'No packet leaves this machine for a site: a route, a permission or an address is missing.',
    'not-an-api-server': 'Something else than an API server answers: a portal, a gateway, a page.',
    'answer-too-large': 'An answer exceeds the largest size that is read.',
    'login-failed': 'The credential program of a kubeconfig is missing, fails, hangs or prints no credential.',
    'kubernetes-unauthorized': 'A site does not know the identity in the kubeconfig.',
    'kubernetes-forbidden': 'A right is missing; the text names the rule.',
    'kubernetes-not-found': 'An object, or what serves its kind, does not exist.',
    'kubernetes-conflict': 'Another writer owns or has changed the same field.',
    'kubernetes-gone': 'A watched version is too old.',
    'kubernetes-invalid': 'The API server, an admission rule or a quota refuses an object.',
    'kubernetes-timeout': 'The API server answered too late.',
    'kubernetes-exec-failed': 'A command in a pod could not be run.',
    'secret-missing': 'A Secret that must exist does not.',
    'workload-missing': 'The declared workload does not exist.',
  },
  'Commands and connections': {
    'http-silent': 'A request over HTTP had no complete answer in time.',
    'sql-silent': 'A query in SQL had no complete answer in time.',
    'sql-through-pooler': 'A pooler answers in place of the declared server: no session is the own one there.',
    'process-not-found': 'A program that is needed is not installed.',
    'process-timeout': 'A program did not end in time.',
    'ssh-credentials-missing': 'The ssh key or the known hosts are empty.',
    'ssh-denied': 'A host refuses the login.',
    'ssh-host-key-mismatch': 'A host shows a key other than the known one.',
    'ssh-unreachable': 'A host does not answer.',
    'github-unreachable': 'The API of GitHub does not answer.',
    'github-denied': 'GitHub refuses the token.',
    'github-not-found': 'GitHub has no such thing, or does not show it to this token.',
    'github-unreadable': 'An answer of GitHub lacks what must be in it.',
    'github-rate-limited': 'GitHub was asked too often with this token.',
    'github-too-large': 'An answer of GitHub is larger than any that is asked for.',
    'github-endless': 'A list of GitHub has no end.',
  },
  'Object storage': {
    'object-store-unreachable': 'The service does not answer.',
    'object-store-throttled': 'The service limits requests, and still did after the longest wait.',
    'object-store-busy': 'Another request changes the same object or its bucket at this moment.',
    'object-store-elsewhere':
      'The bucket is in another region, or at another endpoint: the advice repeats what the service names.',
    'object-store-not-s3': 'A program other than S3 answers at the endpoint: a proxy, a console, a login page.',
    'object-store-no-preconditions': 'The service does not know preconditions of writes (If-None-Match, If-Match).',
    'object-store-locked': 'Object Lock, or a lock rule of the bucket, forbids the request.',
    'object-store-encryption':
      'The encryption of the bucket forbids the request: a key that is disabled, missing or not allowed.',
    'object-store-rules':
      'The bucket demands something of each write that Standby does not send: Object Lock or encryption.',
    'object-store-unreadable':
      'An object is larger than any that Standby stores there, or is not encoded as its header says.',
    'object-store-denied': 'The service denies an action to this identity.',
    'object-store-missing-bucket': 'The bucket does not exist.',
    'object-store-precondition': 'Another writer has written the object.',
    'object-store-refused': 'The service refuses a request as wrong.',
    'object-store-too-large': 'An object is larger than the service takes.',
    'object-store-not-consul': 'A program other than Consul answers at the endpoint, or changes its answers.',
  },
  Database: {
    'made-by-others': 'A declared object exists that no deploy of this stack has made: it is adopted on demand only.',
    'sql-failed': 'A query failed.',
  },
  Cache: {
    'dump-damaged': 'The description of a dump of Redis is not what a backup writes: the dump is not restored.',
  },
  Application: {
    'managed-by-others':
      'Another controller manages an object that a move changes, and may revert it: pause it during the move.',
    'reverted-by-others':
      'Another manager reverted what a step had set: the move is taken back, because users are shut out meanwhile.',
  },
  'The guard of a site': {
    'self-fencing-not-awaited':
      'A failover neither shuts the lost site from inside nor waits for its guard: if the site lives, both sites may take writes.',
    'guard-not-declared': 'A guard was started, but its stack file declares none.',
    'service-refused': 'systemd on a host refused a command of the guard.',
    'out-of-reach-of-guard': 'A driver asked a guard for something outside of its access, such as another site.',
  },
  'Power and network': {
    'power-control-silent': 'A call of the power control was not answered.',
    'power-control-failed': 'A call of the power control was refused.',
  },
  'Restore tests': {
    'no-site-for-sandbox': 'No passive site can carry the sandbox.',
    'sandbox-missing': 'The sandbox of restore tests does not exist, or is not marked as one.',
    'sandbox-not-empty': 'The sandbox could not be emptied.',
    'sandbox-in-use': 'Another restore test has the sandbox, or has taken it over.',
    'sandbox-unsupported':
      'The machine has no systemd, or its user not the rights of root: no restore test can run there.',
    'sandbox-full': 'The file system of the sandbox is full: what ran in it was stopped.',
    'sandbox-stuck': 'The restore could not begin in the sandbox.',
    'restore-failed': 'A backup could not be restored.',
    'endpoint-missing': 'A part that the test needs was not restored.',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>

/** A code of the core. */
export type ReasonCode = {
  [Area in keyof typeof REASON_CODES]: keyof (typeof REASON_CODES)[Area]
}[keyof typeof REASON_CODES]

declare const declared: unique symbol
/**
 * A code that a driver, a platform or a system has declared: only `declareCodes` (src/driver/codes.ts) makes one.
 */
export type DeclaredCode = string & { readonly [declared]: true }

/** What an error, a finding and a failed step carry. No plain string is one, so a misspelt code does not compile. */
export type AnyReasonCode = ReasonCode | DeclaredCode
