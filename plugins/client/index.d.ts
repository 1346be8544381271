/** How many offers and payments are remembered at most. */
export const REMEMBERED_MAX: number

/** Limits and places. Amounts are texts such as `0.05 USD`, or numbers of coins. */
export interface WalletOptions {
  /** The program. Default: `mmwallet`. */
  program?: string
  /** The wallet file. Default: the user's. */
  wallet?: string
  /** The highest price of a page. Default: the user's setting, or 0. */
  autopay?: string | number
  /** The most that leaves the wallet in a UTC day. Default: the user's setting, or 100 coins. */
  dailyLimit?: string | number
  /** The most money that one vendor gets in a UTC day. Default: the user's setting. */
  siteLimit?: string
  /** The name of the task, 1 to 64 printable characters. Default: a new name. */
  task?: string
  /** The most money for the task. Default: the user's setting. */
  taskLimit?: string
  /** What the program pays for, in words, for the user's history. */
  asked?: string
  /** Pay over plain http too. Others on the network can then steal the coins. */
  allowHttp?: boolean
  /** A PEM file of the certificates to trust when a vendor is asked for its consent. */
  cacert?: string
  /** Origins whose challenges are paid although they did not come through `fetch`, as in MCP. */
  origins?: string[]
}

/** A payment whose coins are recorded as sent. */
export interface Payment {
  reference: string
  /** The same payment was made before, and its outcome is not known yet. */
  again: boolean
  url: string
  vendor: string
  period: string
  coins: number
  /** Their value, such as `0.02 USD`. */
  money: string | null
  /** Coins that were never sent. */
  remaining: number
  /** What is left of the limit for the task. */
  'task-left': string | null
  header: { name: string; value: string } | null
  'content-type': string | null
  body: string | null
  'idempotency-key': string | null
}

/** The request that was answered with an offer. */
export interface Request {
  url: string
  /** Default: `GET`. */
  method?: string
  body?: string | Uint8Array
}

/** What the wallet recorded about a payment. */
export interface Settled {
  reference: string
  outcome: 'paid' | 'refused' | 'not-kept' | 'not-seen' | 'unknown'
  reason: string
  coins: number
  vendor: string
  url: string
  /** What follows for the coins, in words. */
  then: string
}

/** The wallet does not pay. No coins were sent. */
export class NotPaidError extends Error {
  coinsSent: false
}

/** The wallet could not be used. The message says whether coins were sent. */
export class WalletError extends Error {}

/** The user's wallet, for one task of a program. */
export class Wallet {
  constructor(options?: WalletOptions)
  readonly task: string
  readonly origins: string[]
  pay(offer: string, request: Request): Promise<Payment>
  payChallenge(id: string, url: string | undefined, challenge: string): Promise<Payment>
  settle(reference: string, status: number, headers: Iterable<[string, string]>): Promise<Settled>
  settlePaid(reference: string): Promise<Settled>
  paymentOf(credential: string): Payment | undefined
  fetch(base?: typeof globalThis.fetch): typeof globalThis.fetch
}
