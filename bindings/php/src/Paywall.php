<?php

declare(strict_types=1);

namespace MicroMint;

use FFI;

/**
 * What is known of a file that is sent unchanged. Conditions and ranges of the request are then decided before a
 * payment is recorded.
 */
final class File
{
    /**
     * @param ?string $etag the entity tag as the response will contain it, with its quotes
     * @param ?int $lastModified seconds since 1970-01-01 00:00 UTC
     * @param ?int $size in bytes, if ranges of the file are served
     */
    public function __construct(
        public readonly ?string $etag = null,
        public readonly ?int $lastModified = null,
        public readonly ?int $size = null,
    ) {
    }
}

/** What a page costs. */
final class Terms
{
    /**
     * @param int $price in coins; 0 is free
     * @param int $freeViews how many pages a visitor sees per UTC day without paying
     * @param ?string $receiptPath a receipt opens everything with the same receipt path; without it, this page alone
     * @param bool $isDryRun decide everything, record nothing, and serve the content free
     * @param bool $chargesRedirects a redirect by the content is what is sold
     */
    public function __construct(
        public readonly mixed $price = 0,
        public readonly mixed $freeViews = 0,
        public readonly ?string $receiptPath = null,
        public readonly bool $isDryRun = false,
        public readonly bool $chargesRedirects = false,
        public readonly ?File $file = null,
    ) {
        // Not by the types: without strict_types PHP would take 1.5 and true for 1.
        Library::integer('price', $price);
        Library::integer('freeViews', $freeViews);
    }

    /** A price in coins, or terms. */
    public static function of(mixed $price): self
    {
        return $price instanceof self ? $price : new self($price);
    }
}

/** A request to a page, whose body was not read yet. */
final class Request extends Handle
{
    /**
     * @param string $target path and query as received, or with scheme and authority before them
     * @param iterable<array{string, string}> $headers name and value of each field
     * @param ?string $host the Host field
     * @param int $port the port at which the connection was accepted, 0 if it is not known
     * @param ?string $client the client's address; anything but an IP address is unknown
     */
    public function __construct(
        string $method,
        string $target,
        Terms $terms,
        iterable $headers = [],
        ?string $host = null,
        bool $isHttps = true,
        int $port = 0,
        ?string $client = null,
    ) {
        parent::__construct('request', Library::void('request_new'));
        if (preg_match('~^[A-Za-z0-9]+://(?:[^/?#]*@)?([^/?#@]*)(.*)$~sD', $target, $parts)) {
            $host = $parts[1];
            $target = str_starts_with($parts[2], '/') ? $parts[2] : "/$parts[2]";
        }
        $this->set('method', $method);
        $this->set('target', $target);
        if ($host !== null) {
            $this->set('host', $host);
        }
        foreach ($headers as [$name, $value]) {
            Library::void('request_add_header', $this->pointer(), $name, $value);
        }
        $this->set('https', $isHttps);
        $this->set('port', Library::integer('port', $port, 0, 65535));
        $this->set('price', $terms->price);
        $this->set('free_views', $terms->freeViews);
        $this->set('dry_run', $terms->isDryRun);
        $this->set('charges_redirects', $terms->chargesRedirects);
        if ($terms->receiptPath !== null) {
            $this->set('receipt_path', $terms->receiptPath);
        }
        $address = explode('%', $client ?? '')[0];
        if (filter_var($address, FILTER_VALIDATE_IP)) {
            $this->set('client', $address);
        }
        if ($terms->file !== null) {
            $this->set('file', true);
            foreach (['etag' => 'etag', 'lastModified' => 'last_modified', 'size' => 'size'] as $property => $name) {
                if ($terms->file->$property !== null) {
                    $this->set($name, $terms->file->$property);
                }
            }
        }
    }

    /** The whole body was read. */
    public function setBody(string $body): void
    {
        $this->set('body', $body);
    }

    private function set(string $name, mixed $value): void
    {
        Library::void("request_set_$name", $this->pointer(), $value);
    }
}

/**
 * What to do with a request. If it serves(), remove the hiddenHeaders() from the request, make the content, pass the
 * status of its response to Paywall::finish(), and send the head() that results. Otherwise respond with status(),
 * head() and body().
 */
final class Decision extends Handle
{
    /** Request fields that the content must not see if a decision ignoresConditions(). */
    private const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'];
    /** Request fields that the content must not see if a decision isAsGet(). */
    private const BODY = ['content-length', 'content-type', 'content-encoding', 'transfer-encoding', 'expect'];

    /** @internal */
    public function __construct(FFI\CData $pointer)
    {
        parent::__construct('decision', $pointer);
    }

    /** Whether to serve the content. */
    public function serves(): bool
    {
        return Library::void('decision_serves', $this->pointer());
    }

    /** The status of the answer; 0 if the content is served. */
    public function status(): int
    {
        return Library::void('decision_status', $this->pointer());
    }

    /** The body of the answer. */
    public function body(): string
    {
        return Library::texts(1, 'decision_body', $this->pointer())[0];
    }

    /** A word for logs: unpaid, paid, receipt, retry, spent and others. */
    public function outcome(): string
    {
        return Library::texts(1, 'decision_outcome', $this->pointer())[0];
    }

    /** The User-ID of the payer; empty if there is none. */
    public function user(): string
    {
        return Library::texts(1, 'decision_user', $this->pointer())[0];
    }

    /** How many coins this request spent. */
    public function coins(): int
    {
        return Library::void('decision_coins', $this->pointer());
    }

    /** Serve as a GET without a body: the request was a payment in a POST. */
    public function isAsGet(): bool
    {
        return Library::void('decision_is_as_get', $this->pointer());
    }

    /** Send the whole content even if the client has a fresh copy. */
    public function ignoresConditions(): bool
    {
        return Library::void('decision_ignores_conditions', $this->pointer());
    }

    /**
     * The names, in lower case, of all request fields that the content must not see.
     *
     * @return list<string>
     */
    public function hiddenHeaders(): array
    {
        $names = $this->ignoresConditions() ? self::CONDITIONS : [];
        $names = $this->isAsGet() ? [...$names, ...self::BODY] : $names;
        for ($i = 0; $i < Library::void('decision_strip_header_count', $this->pointer()); $i++) {
            $names[] = strtolower(Library::texts(1, 'decision_strip_header', $this->pointer(), $i)[0]);
        }
        return array_values(array_unique($names));
    }

    /**
     * What to change in the header fields of a response: names to remove, then fields to add.
     *
     * @param bool $isReversed the result of Paywall::finish()
     * @param iterable<array{string, string}> $headers the fields that the response has
     * @return array{list<string>, list<array{string, string}>}
     */
    public function head(int $status, bool $isReversed, iterable $headers): array
    {
        $fields = Library::void('fields_new');
        try {
            foreach ($headers as [$name, $value]) {
                Library::void('fields_add', $fields, $name, $value);
            }
            $given = [$this->pointer(), Library::integer('status', $status, 0, 999), $isReversed, $fields];
            $head = Library::make('micromint_head *', 'decision_head', ...$given);
        } finally {
            Library::void('fields_free', $fields);
        }
        try {
            [$removed, $added] = [[], []];
            for ($i = 0; $i < Library::void('head_remove_count', $head); $i++) {
                $removed[] = Library::texts(1, 'head_remove', $head, $i)[0];
            }
            for ($i = 0; $i < Library::void('head_add_count', $head); $i++) {
                $added[] = Library::texts(2, 'head_add', $head, $i);
            }
            return [$removed, $added];
        } finally {
            Library::void('head_free', $head);
        }
    }

    /** A log line about the request, such as "micromint paid status=200 price=1 coins=1 user=alice". */
    public function event(int $status, bool $isReversed = false, bool $asJson = false): string
    {
        return Library::buffer('decision_event', $this->pointer(), $status, $isReversed, $asJson);
    }
}

/** Decides about requests for a vendor's pages. */
final class Paywall extends Handle
{
    /** What look() returns if nothing is decided and nothing is to be read. */
    private const NEEDS_BODY = 1;

    /**
     * Opens the paywall of a configuration file (docs/reference/vendor.md), and creates its till and the secret of
     * receipts if they do not exist.
     *
     * @param ?callable(int, string): void $log receives lines for the error log, each with its level (1 error,
     *     2 warning, 3 information); error_log() by default
     */
    public function __construct(string $config, ?callable $log = null)
    {
        $log ??= fn (int $level, string $line) => error_log($line);
        $host = Library::void('host_new');
        $write = function ($userdata, int $level, $text, int $length) use ($log): void {
            // An exception cannot pass through C.
            try {
                $log($level, $length === 0 ? '' : FFI::string($text, $length));
            } catch (\Throwable $error) {
                error_log((string) $error);
            }
        };
        Library::void('host_set_log', $host, $write, null);
        try {
            $paywall = self::open($config, $host);
        } finally {
            Library::void('host_free', $host);
        }
        parent::__construct('paywall', $paywall);
    }

    private static function open(string $config, FFI\CData $host): FFI\CData
    {
        // Scripts open the paywall for every request, and its preparation warns each time.
        try {
            return Library::make('micromint_paywall *', 'paywall_open', $config, $host);
        } catch (MicroMintError $error) {
            if ($error->getCode() !== MicroMintError::FILE) {
                throw $error;
            }
            Library::call('paywall_prepare', $config, $host);
            return Library::make('micromint_paywall *', 'paywall_open', $config, $host);
        }
    }

    /**
     * Decides about a request. An accepted payment is recorded.
     *
     * @param callable(int): ?string $readBody reads a body of at most this many bytes; null if it is longer. Called only
     *     if the body is needed.
     */
    public function decide(Request $request, callable $readBody): Decision
    {
        [$what, $most] = [Library::ffi()->new('micromint_look'), Library::ffi()->new('size_t')];
        $decision = Library::ffi()->new('micromint_decision *');
        $places = [FFI::addr($what), FFI::addr($most), FFI::addr($decision)];
        Library::call('paywall_look', $this->pointer(), $request->pointer(), ...$places);
        if (!FFI::isNull($decision)) {
            return new Decision($decision);
        }
        if ($what->cdata === self::NEEDS_BODY) {
            $body = $readBody($most->cdata);
            if ($body !== null) {
                $request->setBody($body);
            }
        }
        $pointers = [$this->pointer(), $request->pointer()];
        return new Decision(Library::make('micromint_decision *', 'paywall_decide', ...$pointers));
    }

    /** The answer that a client without a payment gets, for a page that tells what another one costs. */
    public function priceTag(Request $request): Decision
    {
        $pointers = [$this->pointer(), $request->pointer()];
        return new Decision(Library::make('micromint_decision *', 'paywall_price_tag', ...$pointers));
    }

    /**
     * Reports the status of the content's response, before it is sent. If it is not a success, the payment is
     * reversed: then this returns true.
     */
    public function finish(Decision $decision, int $status): bool
    {
        $status = Library::integer('status', $status, 100, 999);
        $given = [$this->pointer(), $decision->pointer(), $status];
        return Library::make('bool', 'paywall_finish', ...$given)->cdata;
    }
}
