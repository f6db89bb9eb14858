/** Fixed, because the lab holds nothing that is worth a secret. By the variables that the published stack names. */
export const SECRETS = {
  POSTGRES_SUPERUSER_PASSWORD: 'lab-superuser',
  POSTGRES_REPLICATION_PASSWORD: 'lab-replication',
  INFISICAL_DATABASE_PASSWORD: 'lab-infisical',
  PATRONI_API_USER: 'patroni',
  PATRONI_API_PASSWORD: 'lab-patroni',
  REDIS_PASSWORD: 'lab-redis',
  INFISICAL_ENCRYPTION_KEY: '0123456789abcdef0123456789abcdef',
  INFISICAL_AUTH_SECRET: 'lab-auth-secret',
} as const

/** The application's own role, by which a ledger writes beside it. */
export const DATABASE_LOGIN = {
  user: 'infisical',
  password: SECRETS.INFISICAL_DATABASE_PASSWORD,
  database: 'infisical',
} as const

/** For the REST API of Patroni. */
export const PATRONI_LOGIN = { user: SECRETS.PATRONI_API_USER, password: SECRETS.PATRONI_API_PASSWORD } as const
