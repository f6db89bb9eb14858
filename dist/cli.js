#!/usr/bin/env node
import { runCli } from './standby.js'

await runCli()
