// micromint-client with a stand-in for mmwallet, and without a network: node --test client.test.mjs

import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'

import { NotPaidError, REMEMBERED_MAX, Wallet, WalletError } from 'micromint-client'
import { micromint as x402 } from 'micromint-x402'

const folder = await mkdtemp(join(tmpdir(), 'micromint-'))
const program = join(folder, 'mmwallet')
const log = join(folder, 'log')
after(() => rm(folder, { recursive: true }))

const url = 'https://news.example/story'
const message = 'TWljcm9NaW50'
const token = Buffer.from(JSON.stringify({ challenge: {}, payload: { message } }))
const credential = `Payment ${token.toString('base64url')}`
const answer = { reference: 'f'.repeat(32), header: { name: 'Authorization', value: credential } }
const charge = { amount: '2', recipient: 'news.example', methodDetails: { url, periods: ['p'] } }
const request = Buffer.from(JSON.stringify(charge)).toString('base64url')
const challenge = `Payment id="i", method="micromint", intent="charge", request="${request}"`

/** A mmwallet that writes down its arguments and input, and does this. */
async function standIn(script) {
  const text = `#!/bin/sh\n{ printf '%s|' "$@"; cat; echo; } >> ${log}\n${script}\n`
  await writeFile(program, text)
  await chmod(program, 0o755)
}

beforeEach(async () => {
  await writeFile(log, '')
  await standIn(`echo '${JSON.stringify(answer)}'`)
})

/** A fetch without a network: 402 without a credential, and `answers` in turn with one. */
function site(...answers) {
  const asked = []
  const fetch = async (input, init) => {
    const one = new Request(input, init)
    asked.push(one)
    if (one.headers.has('authorization')) return answers.shift()
    const headers = { 'www-authenticate': challenge }
    return new Response('', { status: 402, headers })
  }
  return { asked, fetch }
}

test('a payment is settled once its content was read to the end', async () => {
  const wallet = new Wallet({ program, autopay: '0.02 USD', task: 't' })
  const headers = { 'micromint-status': 'paid', 'set-cookie': 'a=b' }
  const { fetch: base, asked } = site(new Response('content', { headers }))
  const fetch = wallet.fetch(base)
  assert.equal((await fetch(url)).status, 402)
  await wallet.payChallenge('i', url, challenge)
  const paid = await fetch(url, { headers: { authorization: credential } })
  assert.ok(!(await readFile(log, 'utf8')).includes('settle|'))
  assert.equal(await paid.text(), 'content')
  const said = await readFile(log, 'utf8')
  const options = '|--autopay=0.02 USD|--task=t|'
  assert.ok(said.includes(`answer|--url|${url}|-X|GET|--format|json|--silent${options}`), said)
  assert.ok(said.includes(`WWW-Authenticate: ${challenge}`), said)
  const settled = `settle|${answer.reference}|answer|--format|json|HTTP/1.1 200 answer\r\n`
  assert.ok(said.includes(settled) && said.includes('micromint-status: paid\r\n'), said)
  assert.equal(asked.length, 2)
})

test('a refusal is settled at once, and content that breaks off never', async () => {
  const broken = new ReadableStream({
    start: (it) => it.enqueue(new Uint8Array(1)),
    pull: (it) => it.error(new Error('lost')),
  })
  const { fetch: base } = site(new Response('no', { status: 402 }), new Response(broken))
  const wallet = new Wallet({ program })
  const fetch = wallet.fetch(base)
  await wallet.pay(challenge, { url })
  const headers = { authorization: credential }
  assert.equal((await fetch(url, { headers })).status, 402)
  assert.ok((await readFile(log, 'utf8')).includes('HTTP/1.1 402 answer'))
  await writeFile(log, '')
  await assert.rejects((await fetch(url, { headers })).text(), /lost/)
  assert.equal(await readFile(log, 'utf8'), '')
})

test('the body of a request is compared, and never read as a file name', async () => {
  const wallet = new Wallet({ program })
  for (const body of ['@/etc/passwd', new Uint8Array([0, 255])]) {
    await writeFile(log, '')
    const fetch = wallet.fetch(site().fetch)
    await fetch(url, { method: 'POST', body })
    await wallet.payChallenge('i', url, challenge)
    const said = await readFile(log, 'utf8')
    assert.match(said, /\|-X\|POST\|.*\|--data=[0-9a-f]{64}\|/)
  }
})

test('a payment follows no redirect', async () => {
  const asked = []
  const base = async (request, init) => {
    asked.push(init.redirect)
    return new Response(null, { status: 302, headers: { location: 'https://other.example/' } })
  }
  const wallet = new Wallet({ program })
  await wallet.pay(challenge, { url })
  await wallet.fetch(base)(url, { headers: { authorization: credential } })
  assert.deepEqual(asked, ['manual'])
})

test('errors say what happened to the coins', async () => {
  const wallet = new Wallet({ program })
  await standIn('echo "mmwallet: not paid: a limit; no coins were sent" >&2; exit 3')
  await assert.rejects(wallet.pay(challenge, { url }), (error) => {
    assert.ok(error instanceof NotPaidError && error.coinsSent === false)
    return /no coins were sent/.test(error.message)
  })
  await standIn('echo "mmwallet: error: the wallet is damaged" >&2; exit 1')
  await assert.rejects(wallet.pay(challenge, { url }), (error) => {
    return error instanceof WalletError && /damaged/.test(error.message)
  })
  const absent = new Wallet({ program: join(folder, 'absent') })
  await assert.rejects(absent.pay(challenge, { url }), /cannot run .*; no coins were sent/)
  assert.throws(() => new Wallet({ autoPay: 1 }), /unknown option autoPay/)
})

test('a challenge of an unknown fetch is paid at the allowed origins only', async () => {
  const wallet = new Wallet({ program, origins: ['https://tools.example'] })
  await assert.rejects(wallet.payChallenge('i', url, challenge), NotPaidError)
  await assert.rejects(wallet.payChallenge('i', undefined, challenge), NotPaidError)
  const payment = await wallet.payChallenge('i', 'https://tools.example/x', challenge)
  assert.equal(payment.reference, answer.reference)
})

test('what is remembered is bounded', async () => {
  const base = async (request) => {
    const id = new URL(request.url).pathname.slice(1)
    const value = challenge.replace('id="i"', `id="${id}"`)
    return new Response('', { status: 402, headers: { 'www-authenticate': value } })
  }
  const wallet = new Wallet({ program })
  const fetch = wallet.fetch(base)
  for (let id = 0; id <= REMEMBERED_MAX; id += 1) await fetch(`https://news.example/${id}`)
  await assert.rejects(wallet.payChallenge('0', url, challenge), NotPaidError)
  await wallet.payChallenge('1', url, challenge)
  await wallet.payChallenge(String(REMEMBERED_MAX), url, challenge)
})

test('x402 sees the challenge as requirements, and its payment becomes a credential', async () => {
  const { fetch: base, asked } = site(new Response('content'))
  const coins = x402({ program, fetch: base })
  const offer = await coins.fetch(url)
  const required = JSON.parse(Buffer.from(offer.headers.get('payment-required'), 'base64'))
  const [accepted] = required.accepts
  const network = [accepted.network, accepted.amount, accepted.payTo]
  assert.deepEqual(network, ['micromint:p', '2', 'news.example'])
  const { payload } = await coins.scheme.createPaymentPayload(2, accepted)
  const payment = Buffer.from(JSON.stringify({ x402Version: 2, payload, accepted }))
  const headers = { 'payment-signature': payment.toString('base64') }
  assert.equal(await (await coins.fetch(url, { headers })).text(), 'content')
  assert.equal(asked[1].headers.get('authorization'), credential)
  assert.equal(asked[1].headers.get('payment-signature'), null)
  // What is for other networks passes unchanged.
  const foreign = { accepted: { network: 'eip155:1' } }
  const other = Buffer.from(JSON.stringify(foreign)).toString('base64')
  await coins.fetch(url, { headers: { 'payment-signature': other } })
  assert.equal(asked[2].headers.get('payment-signature'), other)
})
