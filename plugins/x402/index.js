// MicroMint coins as a scheme of @x402/fetch. A 402 answer of MicroMint has a challenge of the
// scheme "Payment". This module shows it to the x402 client as requirements of the network
// `micromint:PERIOD`, and sends the x402 payment back as a credential.

import { Wallet } from 'micromint-client'

export { NotPaidError, Wallet, WalletError } from 'micromint-client'

/** The name of the scheme in x402's requirements. */
export const SCHEME = 'charge'
/** The networks: one for each period. */
export const NETWORKS = 'micromint:*'
/** How long a payment may take, in seconds. */
const TIMEOUT_SECONDS = 120

/**
 * The scheme, and a fetch for `wrapFetchWithPayment(it.fetch, it.register(client))`. The options
 * are those of `Wallet` and the `fetch` to use. The limits are the wallet's, so `register` allows
 * coins in the client's own spend controls, which count dollars.
 */
export function micromint({ fetch = globalThis.fetch, ...options } = {}) {
  const wallet = new Wallet(options)
  const scheme = {
    scheme: SCHEME,
    async createPaymentPayload(x402Version, requirements) {
      const { id, url } = requirements.extra
      const { header } = await wallet.payChallenge(id, url)
      return { x402Version, payload: { header } }
    },
  }
  const register = (client) => {
    client.register(NETWORKS, scheme)
    const controls = client.spendControls
    if (controls && controls.allowedAssets !== true) {
      const assets = [...(controls.allowedAssets ?? []), { network: NETWORKS, asset: 'coin' }]
      client.setSpendControls({ ...controls, allowedAssets: assets })
    }
    return client
  }
  return { wallet, scheme, register, fetch: translated(wallet.fetch(fetch)) }
}

/** Translates between x402's header fields and those of the scheme "Payment". */
function translated(fetch) {
  return async (input, init) => {
    const request = new Request(input, init)
    const payment = decoded(request.headers.get('payment-signature'))
    if (!isOurs(payment?.accepted)) return offered(await fetch(request))
    const { name, value } = payment.payload.header
    const headers = new Headers(request.headers)
    headers.delete('payment-signature')
    headers.delete('access-control-expose-headers')
    headers.set(name, value)
    return fetch(new Request(request, { headers }))
  }
}

/** A 402 answer with the requirements that its challenge stands for. */
function offered(response) {
  const challenge = response.status === 402 && challengeIn(response.headers)
  if (!challenge) return response
  const theirs = decoded(response.headers.get('payment-required'))
  const accepts = (theirs?.accepts ?? []).filter((it) => !isOurs(it))
  const { amount, recipient, methodDetails } = challenge.request
  const extra = { id: challenge.id, url: methodDetails.url, coinValue: methodDetails.coinValue }
  const ours = methodDetails.periods.slice(0, 1).map((period) => ({
    scheme: SCHEME,
    network: `micromint:${period}`,
    amount,
    asset: 'coin',
    payTo: recipient,
    maxTimeoutSeconds: TIMEOUT_SECONDS,
    extra,
  }))
  const required = {
    x402Version: 2,
    error: 'payment required',
    resource: { url: methodDetails.url, description: challenge.request.description ?? '' },
    ...theirs,
    accepts: [...ours, ...accepts],
  }
  const headers = new Headers(response.headers)
  headers.set('payment-required', Buffer.from(JSON.stringify(required)).toString('base64'))
  const { status, statusText } = response
  const offer = new Response(response.body, { status, statusText, headers })
  Object.defineProperty(offer, 'url', { value: response.url })
  return offer
}

/** The challenge of this method in WWW-Authenticate, if there is one. */
function challengeIn(headers) {
  const value = headers.get('www-authenticate') ?? ''
  for (const text of value.split(/(?=\bPayment\s+\w+=)/i)) {
    const member = (name) => new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1]
    if (member('method') !== 'micromint') continue
    const request = decoded(member('request'))
    if (typeof request?.methodDetails?.url !== 'string') continue
    if (!Array.isArray(request.methodDetails.periods)) continue
    return { id: member('id'), request }
  }
  return undefined
}

function isOurs(requirements) {
  return typeof requirements?.network === 'string' && requirements.network.startsWith('micromint:')
}

/** An object in base64 or base64url; undefined for anything else. */
function decoded(text) {
  try {
    return text ? JSON.parse(Buffer.from(text, 'base64').toString()) : undefined
  } catch {
    return undefined
  }
}
