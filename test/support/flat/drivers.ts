/** The flat faces of the drivers: one object with all questions, over states by site. Older tests ask through them. */
import { cloudNativePg as cloudNativePgDriver } from '../../../src/drivers/cloudnative-pg/driver.ts'
import { command as commandDriver } from '../../../src/drivers/command/driver.ts'
import { guard as guardDriver } from '../../../src/drivers/guard/driver.ts'
import { haproxy as haproxyDriver } from '../../../src/drivers/haproxy/driver.ts'
import { helmRelease as helmReleaseDriver } from '../../../src/drivers/helm-release/driver.ts'
import { nginx as nginxDriver } from '../../../src/drivers/nginx/driver.ts'
import { redis as redisDriver } from '../../../src/drivers/redis/driver.ts'
import { s3 as s3Driver } from '../../../src/drivers/s3/driver.ts'
import { webhook as webhookDriver } from '../../../src/drivers/webhook/driver.ts'
import { adaptedSiteDriver, adaptedStackDriver } from './adapter.ts'
import { around } from './around.ts'

export const cloudNativePg = adaptedSiteDriver(cloudNativePgDriver, around)
export const command = adaptedStackDriver(commandDriver, around)
export const guard = adaptedSiteDriver(guardDriver, around)
export const haproxy = adaptedStackDriver(haproxyDriver, around)
export const helmRelease = adaptedSiteDriver(helmReleaseDriver, around)
export const nginx = adaptedStackDriver(nginxDriver, around)
export const redis = adaptedSiteDriver(redisDriver, around)
export const s3 = adaptedSiteDriver(s3Driver, around)
export const webhook = adaptedStackDriver(webhookDriver, around)
