<?php

declare(strict_types=1);

namespace MicroMint;

/**
 * Asks for coins for a page, under any web server: call it at the beginning of the script. Returns if the page is free
 * or paid for; otherwise sends the response and ends the script. A page that fails is not charged.
 *
 * @param int|Terms $price in coins, or all terms
 * @param string $config the vendor's configuration (docs/reference/vendor.md)
 * @param ?callable(string): void $onEvent receives a log line for every request
 * @param ?callable(int, string): void $log receives lines for the error log, with their level; error_log() by default
 */
function charge(
    mixed $price,
    string $config = '/etc/micromint/vendor.toml',
    ?callable $onEvent = null,
    ?callable $log = null,
): void {
    Page::charge(Terms::of($price), $config, $onEvent, $log);
}

/**
 * Gives the log line of a request to its callback. What is settled must be sent, whatever becomes of the line.
 *
 * @internal
 * @param ?callable(string): void $onEvent
 */
function report(?callable $onEvent, Decision $decision, int $status, bool $isReversed): void
{
    if ($onEvent === null) {
        return;
    }
    try {
        $onEvent($decision->event($status, $isReversed));
    } catch (\Throwable $error) {
        error_log((string) $error);
    }
}
