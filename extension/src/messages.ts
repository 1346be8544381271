// What the core answers, and what the parts of the extension tell each other.

/** An amount of money. */
export interface Worth {
  /** A decimal number with all its digits, such as `0.0001`. */
  readonly amount: string;
  /** A code of ISO 4217. */
  readonly currency: string;
}

/** A number of coins, and what they are worth together, if the core could tell. */
export interface Amount {
  readonly coins: number;
  readonly worth: Worth | null;
}

/** What was spent, in coins sent for the first time. */
export interface Spent {
  readonly day: number;
  readonly month: number;
  readonly siteDay: number;
  readonly siteMonth: number;
}

/** A limit that a payment passes. */
export interface Over {
  readonly limit: "day" | "month" | "siteDay" | "siteMonth";
  readonly of: number;
  readonly by: number;
}

/** What the owner must know to decide. */
export interface Question extends Amount {
  readonly vendor: string;
  readonly url: string;
  readonly description: string;
  readonly remains: Amount;
  readonly spent: Spent;
  readonly over: Over | null;
  readonly wasPaid: boolean;
}

export interface Send {
  readonly verdict: "send";
  readonly payment: number;
  readonly header: string;
  readonly fitsHeader: boolean;
  readonly coins: number;
  readonly again: boolean;
}

export interface Refusal {
  readonly verdict: "refuse";
  readonly code: string;
  /** What the text for the code names: texts, numbers of coins, and money. */
  readonly values: readonly (string | number | Worth)[];
  /** What is not translated: the site's reason, or why in English for a code without a text. */
  readonly text: string;
  readonly prices: readonly Amount[];
  readonly vendor: string;
}

export type Verdict =
  | Send
  | ({ readonly verdict: "ask" } & Question)
  | { readonly verdict: "needsConsent"; readonly url: string }
  | Refusal;

/** What an answer to a payment means. */
export interface Meaning {
  readonly outcome: "unknown" | "paid" | "refused" | "not-kept" | "not-seen";
  readonly reason: string | null;
  readonly resend: number | null;
  readonly otherForm: "body" | "header" | null;
}

/** How a page came to be asked for. */
export interface Visit {
  readonly kind: "opened" | "again" | "part";
  readonly isPrivate: boolean;
  readonly page?: string;
  readonly pageSince?: number;
  readonly tried: readonly number[];
  readonly agreed?: number;
}

export interface SiteRule {
  readonly isNever?: boolean;
  readonly autopay?: number | null;
  readonly dayLimit?: number | null;
  readonly monthLimit?: number | null;
}

export interface Settings {
  readonly autopay: number;
  readonly pageLimit: number;
  readonly dayLimit: number | null;
  readonly monthLimit: number | null;
  readonly siteDayLimit: number | null;
  readonly siteMonthLimit: number | null;
  readonly allowHttp: boolean;
  readonly warnDays: number;
  readonly isPaused: boolean;
  readonly showsPrices: boolean;
  readonly sites: Readonly<Record<string, SiteRule>>;
}

export interface Holding {
  readonly user: string;
  readonly broker: string;
  readonly period: string;
  readonly value: Worth;
  readonly start: number;
  readonly expiration: number;
  readonly redeemUntil: number;
  readonly isValid: boolean;
  readonly expiresSoon: boolean;
  readonly isConfirmed: boolean;
  readonly hasRivals: boolean;
  readonly sets: number;
  readonly unspent: number;
  readonly unspentWorth: Worth | null;
  readonly inDoubt: number;
  readonly paid: number;
  readonly bound: number;
  readonly returned: number;
}

/** Why nothing can be spent from a wallet. */
export type Frozen =
  | { readonly why: "backup" | "left" | "prepared" | "travels"; readonly at: number }
  | { readonly why: "other"; readonly text: string };

export interface Overview {
  readonly holdings: readonly Holding[];
  readonly payments: number;
  readonly open: number;
  readonly returnable: number;
  readonly openReturns: number;
  readonly frozen: Frozen | null;
  readonly settings: Settings;
  readonly days: readonly (readonly [string, string, number])[];
}

export interface PaymentRow extends Amount {
  readonly number: number;
  readonly at: number;
  readonly vendor: string;
  readonly url: string;
  readonly description: string;
  readonly title?: string;
  readonly fresh: number;
  /** The broker of the coins. */
  readonly broker: string;
  readonly outcome: Meaning["outcome"];
  readonly reason: string | null;
  readonly reference: string;
  readonly receiptExpires: number | null;
}

/** What to say about a link. */
export interface Hint extends Amount {
  /** Less than a cent: nothing is said. */
  readonly isSmall: boolean;
  readonly isPaid: boolean;
}

/** A complaint that is ready to be sent, beside its bytes. */
export interface Complaint {
  readonly broker: string;
  readonly user: string;
  readonly vendor: string;
  readonly reference: string;
}

export interface SiteView {
  readonly vendor: string;
  readonly spent: Spent;
  readonly payments: number;
  readonly rule: SiteRule;
  readonly hasRule: boolean;
}

export interface Received {
  readonly received: "new" | "already" | "refused" | "ask";
  readonly text?: string;
  readonly sets?: number;
  readonly coins?: number;
  readonly hasRivals?: boolean;
  readonly facts: {
    readonly broker: string;
    readonly user: string;
    readonly sets: number;
    readonly period: string;
    readonly value: Worth;
  };
}

/** What a content script does with a 402 that is shown. */
export type Action =
  | { readonly action: "show" }
  /** Stay hidden: the page is about to be loaded again, paid for. */
  | { readonly action: "wait" }
  /** Send this message, in base64url, in a POST to the page itself. */
  | { readonly action: "post"; readonly message: string };

/** A question in the window: about a price, or about coins of a broker that is new here. */
export type Asked =
  | ({ readonly about: "price" } & Question)
  | ({ readonly about: "coins"; readonly page: string } & Received["facts"]);

/** The owner's answer to a question. */
export type Choice = "once" | "always" | "never" | "cancel";

/** The state of a tab, for the popup. */
export interface TabState {
  readonly url: string;
  readonly vendor: string;
  /** What it costs, in each kind of coins that the site takes; empty if that is not known. */
  readonly prices: readonly Amount[];
  /** `asks`: it costs something and nothing was decided; `refused`: why is in the next three. */
  readonly state: "asks" | "paying" | "paid" | "refused";
  readonly code?: string;
  readonly values?: Refusal["values"];
  readonly text?: string;
}

/** Messages to the background. */
export type Message =
  | { readonly to: "background"; readonly ask: "shown402"; readonly url: string }
  | {
      readonly to: "background";
      readonly ask: "posted";
      readonly url: string;
      readonly status: number;
      readonly word: string | null;
      readonly retryAfter: string | null;
    }
  | { readonly to: "background"; readonly ask: "linkPrice"; readonly url: string }
  | { readonly to: "background"; readonly ask: "question"; readonly id: string }
  | {
      readonly to: "background";
      readonly ask: "choose";
      readonly id: string;
      readonly choice: Choice;
    }
  | { readonly to: "background"; readonly ask: "tab"; readonly tab: number }
  | { readonly to: "background"; readonly ask: "askAgain"; readonly tab: number }
  | { readonly to: "background"; readonly ask: "payments"; readonly from: number; readonly count: number }
  | {
      readonly to: "background";
      readonly ask: "core";
      readonly command: object;
      /** Bytes in base64. */
      readonly bytes?: string;
    }
  | { readonly to: "background"; readonly ask: "moveOut" }
  | { readonly to: "background"; readonly ask: "outbox" }
  | { readonly to: "background"; readonly ask: "forget"; readonly name: string };
