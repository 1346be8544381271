// Pays for a program with the user's wallet: asks `mmwallet answer` for the payment, sends it, and
// tells `mmwallet settle` what became of it. The wallet decides by the user's limits. It records
// coins as sent before this module sees them, and the same request gets the same payment until it
// is settled, so a program that stops at any point loses nothing.

import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'

/** How many offers and payments are remembered at most; the oldest are forgotten first. */
export const REMEMBERED_MAX = 1000
/** The largest output of mmwallet that is read, in bytes. */
const OUTPUT_SIZE_MAX = 1024 * 1024

const CREDENTIAL_HEADERS = ['authorization', 'payment-authorization']
/** The exit status of mmwallet that says: not paid, no coins were sent. */
const NOT_PAID = 3

/** The wallet does not pay. No coins were sent. */
export class NotPaidError extends Error {
  name = 'NotPaidError'
  coinsSent = false
}

/** The wallet could not be used. The message says whether coins were sent. */
export class WalletError extends Error {
  name = 'WalletError'
}

/** The user's wallet, for one task of a program. */
export class Wallet {
  #options
  #offers = new Map()
  #payments = new Map()

  constructor(options = {}) {
    const known = [
      'program', 'wallet', 'autopay', 'dailyLimit', 'siteLimit', 'task', 'taskLimit', 'asked',
      'allowHttp', 'cacert', 'origins',
    ]
    const unknown = Object.keys(options).find((name) => !known.includes(name))
    if (unknown) {
      throw new TypeError(`unknown option ${unknown}; expected one of ${known.join(', ')}`)
    }
    this.#options = { program: 'mmwallet', origins: [], ...options }
    this.task = options.task ?? `program-${randomUUID()}`
    this.origins = this.#options.origins.map((origin) => new URL(origin).origin)
  }

  /**
   * Asks the wallet for a payment. `offer` is the head of a 402 answer, or a challenge. Throws
   * NotPaidError if the wallet does not pay.
   */
  async pay(offer, { url, method = 'GET', body = '' } = {}) {
    const { wallet, autopay, dailyLimit, siteLimit, taskLimit, asked, allowHttp, cacert } =
      this.#options
    const args = ['answer', '--url', url, '-X', method, '--format', 'json', '--silent']
    const add = (name, value) => value !== undefined && args.push(`${name}=${value}`)
    add('--wallet', wallet)
    add('--autopay', autopay)
    add('--daily-limit', dailyLimit)
    add('--site-limit', siteLimit)
    add('--task', this.task)
    add('--task-limit', taskLimit)
    add('--asked', asked)
    add('--cacert', cacert)
    if (allowHttp) args.push('--allow-http')
    if (body.length > 0) args.push(`--data=${digest(body)}`)
    const answer = JSON.parse(await this.#run(args, offer))
    if (answer.header) remember(this.#payments, messageOf(answer.header.value), answer)
    return answer
  }

  /** Records what became of a payment, from the status and the header fields of the answer. */
  async settle(reference, status, headers) {
    const lines = [`HTTP/1.1 ${status} answer`]
    for (const [name, value] of headers) lines.push(`${name}: ${value}`)
    return this.#settled(reference, 'answer', lines.join('\r\n') + '\r\n\r\n')
  }

  /** Records that a payment was taken, where the answer is no HTTP answer. */
  async settlePaid(reference) {
    return this.#settled(reference, 'paid', '')
  }

  /** The payment that this wallet made for a credential or its message. */
  paymentOf(credential) {
    return this.#payments.get(messageOf(credential))
  }

  /**
   * A payment for a challenge of the scheme "Payment", whose answer `fetch` saw. A challenge that
   * came in another way, such as MCP, is paid if its URL is at one of the `origins`.
   */
  async payChallenge(id, url, challenge) {
    const seen = this.#offers.get(id)
    if (seen) return this.pay(seen.head, seen)
    if (url && this.origins.includes(new URL(url).origin)) return this.pay(challenge, { url })
    throw new NotPaidError(
      `no answer with the challenge for ${url} came through the fetch of this wallet, and its ` +
        'origin is not in `origins`; no coins were sent',
    )
  }

  /**
   * A fetch that remembers what 402 answers ask for, and settles the payments that it sends. A
   * payment is settled once its content was read to the end.
   */
  fetch(base = globalThis.fetch) {
    return async (input, init) => {
      const request = new Request(input, init)
      const credential = CREDENTIAL_HEADERS.map((name) => request.headers.get(name))
      const payment = credential.map((it) => it && this.paymentOf(it)).find(Boolean)
      const body = payment || !request.body ? [] : await request.clone().arrayBuffer()
      // A payment follows no redirect.
      const response = await base(request, payment ? { redirect: 'manual' } : {})
      if (payment) return this.#settling(payment.reference, response)
      if (response.status === 402) {
        const { method } = request
        this.#note(response, method, new Uint8Array(body), response.url || request.url)
      }
      return response
    }
  }

  /** Remembers the offers of a 402 answer. */
  #note(response, method, body, url) {
    const value = response.headers.get('www-authenticate') ?? ''
    for (const [, id] of value.matchAll(/\bid="([^"]*)"/g)) {
      remember(this.#offers, id, { head: `WWW-Authenticate: ${value}\r\n`, url, method, body })
    }
  }

  /** The response with a body that settles the payment when it has been read. */
  async #settling(reference, response) {
    const settle = () => this.settle(reference, response.status, response.headers)
    if (!response.ok || !response.body) {
      await settle()
      return response
    }
    const body = response.body.pipeThrough(new TransformStream({ flush: settle }))
    const { status, statusText, headers } = response
    const settling = new Response(body, { status, statusText, headers })
    Object.defineProperty(settling, 'url', { value: response.url })
    return settling
  }

  #settled(reference, outcome, input) {
    const wallet = this.#options.wallet
    const args = ['settle', reference, outcome, '--format', 'json']
    if (wallet !== undefined) args.push(`--wallet=${wallet}`)
    return this.#run(args, input).then(JSON.parse)
  }

  /** Runs mmwallet and returns its standard output. */
  #run(args, input) {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#options.program, args, { stdio: 'pipe' })
      let [output, words] = ['', '']
      const take = (text) => {
        output += text
        if (output.length > OUTPUT_SIZE_MAX) child.kill()
      }
      child.stdout.setEncoding('utf8').on('data', take)
      child.stderr.setEncoding('utf8').on('data', (text) => (words = (words + text).slice(-4096)))
      child.stdin.on('error', () => {})
      child.stdin.end(input)
      child.on('error', (cause) => {
        const why = `cannot run ${this.#options.program}; no coins were sent`
        reject(new WalletError(why, { cause }))
      })
      child.on('close', (status) => {
        if (status === 0) return resolve(output)
        const why = words.trim() || `${this.#options.program} ended with status ${status}`
        reject(status === NOT_PAID ? new NotPaidError(why) : new WalletError(why))
      })
    })
  }
}

/**
 * What stands for the body of a request: the wallet only compares bodies, to see whether a request
 * is the same as before. The body itself may be long, binary, or begin with the @ that names a file.
 */
function digest(body) {
  return createHash('sha256').update(body).digest('hex')
}

/** The message in a credential, or the text itself if it is one. */
function messageOf(credential) {
  const token = /^Payment +(\S+)$/i.exec(credential)?.[1]
  if (!token) return credential
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString()).payload?.message
  } catch {
    return undefined
  }
}

function remember(map, key, value) {
  map.delete(key)
  map.set(key, value)
  if (map.size > REMEMBERED_MAX) map.delete(map.keys().next().value)
}
