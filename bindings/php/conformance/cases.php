<?php

// What the conformance applications share: terms and content that the fields of a request ask for
// (tests/src/bindings.rs describes them).

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

use MicroMint\File;
use MicroMint\Terms;

function line(string $line): void
{
    file_put_contents('php://stderr', "$line\n");
}

/** The log of requests, which fails for a page that costs seven coins. */
function event(string $line): void
{
    line($line);
    if (str_contains($line, ' price=7 ')) {
        throw new RuntimeException('the log fails');
    }
}

/** @param callable(string): ?string $field */
function terms(callable $field): Terms
{
    $file = explode(' ', $field('X-Case-File') ?? '');
    return new Terms(
        price: number($field('X-Case-Price') ?? '0'),
        freeViews: number($field('X-Case-Free-Views') ?? '0'),
        receiptPath: $field('X-Case-Receipt-Path'),
        isDryRun: $field('X-Case-Dry-Run') === '1',
        chargesRedirects: $field('X-Case-Redirects') === '1',
        file: count($file) === 3 ? new File($file[0], (int) $file[1], (int) $file[2]) : null,
    );
}

/** As json_decode() would: an integer or a float. */
function number(string $text): mixed
{
    return is_numeric($text) ? $text + 0 : $text;
}

/** @return list<array{string, string}> */
function contentFields(callable $field, string $method, int $size, array $names): array
{
    $pairs = json_decode($field('X-Case-Content-Headers') ?? '[]', true);
    return [...$pairs, ['X-Seen', "$method $size " . implode(',', $names)]];
}

function vendorConfig(string $name): string
{
    return getenv('MICROMINT_CASES_FOLDER') . "/$name/vendor.toml";
}
