// A crawler that signs its requests (Web Bot Auth) pays for pages with mppx. BOT_KEY is its Ed25519
// key, a JWK; without one it signs nothing. USER_AGENT is its name.

import { micromint } from 'micromint-mppx'
import { Mppx } from 'mppx/client'
import { signatureHeaders } from 'web-bot-auth'
import { signerFromJWK } from 'web-bot-auth/crypto'

import { fetchAll, options } from './support.mjs'

const AGENT = '"https://bot.example"'
const SECONDS = 300

const { BOT_KEY, USER_AGENT } = process.env
const signer = BOT_KEY && (await signerFromJWK(JSON.parse(BOT_KEY)))

/** Signs a request, with or without a payment in it. */
async function signing(input, init) {
  const request = new Request(input, init)
  request.headers.set('user-agent', USER_AGENT)
  if (!signer) return fetch(request)
  request.headers.set('signature-agent', AGENT)
  const created = new Date()
  const expires = new Date(created.getTime() + SECONDS * 1000)
  const signed = await signatureHeaders(request, signer, { created, expires })
  for (const [name, value] of Object.entries(signed)) request.headers.set(name, value)
  return fetch(request)
}

const coins = micromint({ ...options('crawler'), fetch: signing })
const mppx = Mppx.create({ methods: [coins.method], fetch: coins.fetch, polyfill: false })
await fetchAll(mppx.fetch)
