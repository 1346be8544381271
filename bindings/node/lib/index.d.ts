/** Sell web pages for coins. docs/guide/node.md is the guide. */

type Bytes = string | Uint8Array;
type Pairs = [string, string][];

/** An error of the library. `status` is one of MICROMINT_ERROR_*. */
export class MicroMintError extends Error {
  readonly status: number;
}

/** An object of the library, which close() or the garbage collector frees. */
declare class Handle {
  close(): void;
}

export interface Terms {
  /** In coins; 0 is free. */
  price: number;
  /** How many pages a visitor sees per UTC day without paying. */
  freeViews?: number;
  /** A receipt opens everything with the same receipt path; without it, this page alone. */
  receiptPath?: string;
  /** Decide everything, record nothing, and serve the content free. */
  isDryRun?: boolean;
  /** A redirect by the content is what is sold. */
  chargesRedirects?: boolean;
  /** The content is a file that is sent unchanged. */
  file?: { etag?: string; lastModified?: number; size?: number };
}
type Price = number | Terms;
type PriceOf<R> = Price | ((request: R) => Price | Promise<Price>);

export class Params extends Handle {
  constructor(toml: string);
  readonly coinSize: number;
  toToml(): string;
  check(vendor: string, user: string, x: (number | bigint)[]): number;
  hash(x: number | bigint): bigint;
}

export class Message extends Handle {
  constructor(message: Bytes);
  static fromHeader(value: string): Message;
  readonly type: string;
  readonly data: Uint8Array;
  header(name: string): string | undefined;
  toBytes(): Uint8Array;
  toHeader(): string;
}

export class Challenge extends Handle {
  constructor(value: string);
  readonly request: Message;
  hasEnded(now?: number): boolean;
  answer(payment: Bytes): [string, string];
}

export class Request extends Handle {
  constructor(
    head: {
      method: string;
      target: string;
      headers?: Pairs;
      host?: string;
      isHttps?: boolean;
      port?: number;
      client?: string;
    },
    price: Price,
  );
  setBody(body: Bytes): void;
}

export class Decision extends Handle {
  private constructor();
  readonly serves: boolean;
  readonly status: number;
  readonly isAsGet: boolean;
  readonly ignoresConditions: boolean;
  readonly outcome: string;
  readonly user: string;
  readonly coins: number;
  readonly body: Uint8Array;
  readonly hiddenHeaders: Set<string>;
  head(status: number, isReversed: boolean, headers: Pairs): { remove: string[]; add: Pairs };
  event(status: number, isReversed?: boolean): string;
}

export class Paywall extends Handle {
  constructor(config: string, options?: { log?: (level: number, line: string) => void });
  look(request: Request): { decision?: Decision; bodyMax?: number };
  decide(request: Request): Promise<Decision>;
  priceTag(request: Request): Decision;
  promise(decision: Decision, status: number): boolean;
  finish(decision: Decision, status: number): Promise<boolean>;
  metrics(): string;
}

interface Options {
  /** Receives a log line for every request. */
  onEvent?: (line: string) => void;
}

/** Middleware for Express. */
export function express(
  paywall: Paywall, price: PriceOf<any>, options?: Options,
): (req: any, res: any, next: (error?: unknown) => void) => void;

/** A listener for node:http around another one. */
export function listener(
  paywall: Paywall, price: PriceOf<any>, inner: (req: any, res: any) => void, options?: Options,
): (req: any, res: any) => void;

/** A plugin for Fastify. */
export function fastify(
  app: any, options: Options & { paywall: Paywall; price?: (request: any) => Price | Promise<Price> }, done: () => void,
): void;

/** The option rewriteUrl of Fastify. */
export function rewriteUrl(req: any): string;

/** The version of the library. */
export function version(): string;
