// @x402/fetch pays for pages.

import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { micromint } from 'micromint-x402'

import { fetchAll, options } from './support.mjs'

const coins = micromint(options('x402'))
await fetchAll(wrapFetchWithPayment(coins.fetch, coins.register(new x402Client())))
