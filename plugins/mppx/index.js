// MicroMint coins as a payment method of mppx.

import { Wallet } from 'micromint-client'
import { Challenge, Mcp, Method, z } from 'mppx'

export { NotPaidError, Wallet, WalletError } from 'micromint-client'

const charge = Method.from({
  name: 'micromint',
  intent: 'charge',
  schema: {
    credential: { payload: z.object({ message: z.string() }) },
    request: z.looseObject({
      amount: z.string(),
      currency: z.string(),
      recipient: z.string(),
      methodDetails: z.looseObject({ url: z.string() }),
    }),
  },
})

/**
 * The method, and a fetch that settles its payments: `Mppx.create({ methods: [it.method], fetch:
 * it.fetch })`. The options are those of `Wallet` and the `fetch` to use.
 */
export function micromint({ fetch = globalThis.fetch, ...options } = {}) {
  const wallet = new Wallet(options)
  const method = Method.toClient(charge, {
    async createCredential({ challenge }) {
      const url = challenge.request.methodDetails.url
      const payment = await wallet.payChallenge(challenge.id, url, Challenge.serialize(challenge))
      return payment.header.value
    },
  })
  const settles = (client) => settlesTools(wallet, client)
  return { wallet, method, fetch: wallet.fetch(fetch), settlesTools: settles }
}

/**
 * Settles the payments for tools of an MCP client. Call it before `McpClient.wrap`. A payment
 * counts as paid if the server's receipt names it; any other is sent again by the same call.
 */
function settlesTools(wallet, client) {
  const callTool = client.callTool.bind(client)
  client.callTool = async (params, ...rest) => {
    const result = await callTool(params, ...rest)
    const message = params._meta?.[Mcp.credentialMetaKey]?.payload?.message
    const payment = message && wallet.paymentOf(message)
    const reference = result._meta?.[Mcp.receiptMetaKey]?.reference
    if (payment && reference === payment.reference) await wallet.settlePaid(reference)
    return result
  }
  return client
}
