import type { Payment, Wallet, WalletOptions } from 'micromint-client'
import type { Method } from 'mppx'

export { NotPaidError, Wallet, WalletError } from 'micromint-client'
export type { Payment, WalletOptions }

/** What `micromint` returns. */
export interface MicroMint {
  wallet: Wallet
  /** For `methods` of `Mppx.create` and `McpClient.wrap`. */
  method: Method.AnyClient
  /** For `fetch` of `Mppx.create`. */
  fetch: typeof globalThis.fetch
  /** Settles the payments for tools of an MCP client. Call it before `McpClient.wrap`. */
  settlesTools<client extends { callTool: (...args: any[]) => Promise<any> }>(it: client): client
}

/** The payment method, over the user's wallet. */
export function micromint(options?: WalletOptions & { fetch?: typeof globalThis.fetch }): MicroMint
