// The configuration of the command line of mppx.

import { micromint } from 'micromint-mppx'
import { defineConfig } from 'mppx/cli'

import { options } from './support.mjs'

const coins = micromint(options('mppx on the command line'))
globalThis.fetch = coins.fetch

export default defineConfig({ methods: [coins.method] })
