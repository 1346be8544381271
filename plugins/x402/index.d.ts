import type { Payment, Wallet, WalletOptions } from 'micromint-client'
import type { SchemeNetworkClient, x402Client } from '@x402/fetch'

export { NotPaidError, Wallet, WalletError } from 'micromint-client'
export type { Payment, WalletOptions }

/** The name of the scheme in x402's requirements. */
export const SCHEME: 'charge'
/** The networks: one for each period. */
export const NETWORKS: 'micromint:*'

/** What `micromint` returns. */
export interface MicroMint {
  wallet: Wallet
  scheme: SchemeNetworkClient
  /** Registers the scheme, and allows coins in the client's spend controls. */
  register(client: x402Client): x402Client
  /** For `wrapFetchWithPayment`. */
  fetch: typeof globalThis.fetch
}

/** The scheme, over the user's wallet. */
export function micromint(options?: WalletOptions & { fetch?: typeof globalThis.fetch }): MicroMint
