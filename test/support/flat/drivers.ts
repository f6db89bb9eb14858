/** The flat faces of the drivers, through which older tests ask: one object with all questions, over states by site. */
import { cloudNativePg as cloudNativePgDriver } from '../../../src/drivers/cloudnative-pg/driver.ts'
import { command as commandDriver } from '../../../src/drivers/command/driver.ts'
import { guard as guardDriver } from '../../../src/drivers/guard/driver.ts'
import { haproxy as haproxyDriver } from '../../../src/drivers/haproxy/driver.ts'
import { helmRelease as helmReleaseDriver } from '../../../src/drivers/helm-release/driver.ts'
import { nginx as nginxDriver } from '../../../src/drivers/nginx/driver.ts'
import { redis as redisDriver } from '../../../src/drivers/redis/driver.ts'
import { s3 as s3Driver } from '../../../src/drivers/s3/driver.ts'
import { webhook as webhookDriver } from '../../../src/drivers/webhook/driver.ts'
import { flatFaceOf } from './adapter.ts'

export const cloudNativePg = flatFaceOf(cloudNativePgDriver)
export const command = flatFaceOf(commandDriver)
export const guard = flatFaceOf(guardDriver)
export const haproxy = flatFaceOf(haproxyDriver)
export const helmRelease = flatFaceOf(helmReleaseDriver)
export const nginx = flatFaceOf(nginxDriver)
export const redis = flatFaceOf(redisDriver)
export const s3 = flatFaceOf(s3Driver)
export const webhook = flatFaceOf(webhookDriver)
