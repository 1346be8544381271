// The declarations of the packages fit those of the clients. Only checked, never run.

import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { NotPaidError, Wallet, type Payment } from 'micromint-client'
import { micromint as mppxMethod } from 'micromint-mppx'
import { micromint as x402Scheme } from 'micromint-x402'
import { Mppx } from 'mppx/client'

const options = { autopay: '0.02 USD', taskLimit: '0.50 USD', origins: ['https://a.example'] }
const method = mppxMethod(options)
const mppx = Mppx.create({ methods: [method.method], fetch: method.fetch, polyfill: false })
const scheme = x402Scheme(options)
const fetchWithPay = wrapFetchWithPayment(scheme.fetch, scheme.register(new x402Client()))
const wallet = new Wallet({ autopay: 2 })

export async function check(): Promise<number> {
  const payment: Payment = await wallet.pay('', { url: 'https://a.example/' })
  const responses = [await mppx.fetch(payment.url), await fetchWithPay(payment.url)]
  const refused: false = new NotPaidError('').coinsSent
  return refused ? 0 : responses.length
}
