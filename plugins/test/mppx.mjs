// mppx pays for pages.

import { micromint } from 'micromint-mppx'
import { Mppx } from 'mppx/client'

import { fetchAll, options } from './support.mjs'

const coins = micromint(options('mppx'))
const mppx = Mppx.create({ methods: [coins.method], fetch: coins.fetch, polyfill: false })
await fetchAll(mppx.fetch)
