<?php

declare(strict_types=1);

namespace MicroMint;

use FFI;
use FFI\CData;

/** The public parameters of a period, which check coins. */
final class Params extends Handle
{
    /** @param string $toml the text of a PERIOD.params file */
    public function __construct(string $toml)
    {
        parent::__construct('params', Library::make('micromint_params *', 'params_from_toml', $toml));
    }

    /** The text of a PERIOD.params file. */
    public function toToml(): string
    {
        return Library::buffer('params_to_toml', $this->pointer());
    }

    /** k, the number of balls in a coin. */
    public function coinSize(): int
    {
        return Library::void('params_coin_size', $this->pointer());
    }

    /**
     * Checks coins of a user for a vendor: k inputs per coin, one coin after the other. Returns 0 if they are good,
     * otherwise one of MICROMINT_COIN_*. Does not check whether they were spent before.
     *
     * @param list<int> $x
     */
    public function check(string $vendor, string $user, array $x): int
    {
        $inputs = Library::ffi()->new('uint64_t[' . max(1, count($x)) . ']');
        foreach (array_values($x) as $i => $input) {
            $inputs[$i] = Library::integer('x', $input, 0, PHP_INT_MAX);
        }
        $checker = Library::make('micromint_checker *', 'checker_new', $this->pointer(), $vendor);
        try {
            $fault = Library::ffi()->new('micromint_coin_fault');
            Library::call('checker_check', $checker, $user, $inputs, count($x), FFI::addr($fault), null);
            return $fault->cdata;
        } finally {
            Library::void('checker_free', $checker);
        }
    }

    /** The 64-bit hash of an input, in hexadecimal: half of the hashes do not fit PHP's integers. */
    public function hash(int $x): string
    {
        $x = Library::integer('x', $x, 0, PHP_INT_MAX);
        return sprintf('%016x', Library::make('uint64_t', 'hash', $this->pointer(), $x)->cdata);
    }
}

/** A message of one of the types of docs/reference/protocol.md, with every field well formed. */
final class Message extends Handle
{
    /** Parses a message. */
    public function __construct(string|CData $message)
    {
        $parsed = is_string($message) ? Library::make('micromint_message *', 'message_parse', $message) : $message;
        parent::__construct('message', $parsed);
    }

    /** The Request-Payment in the value of a header field MicroMint-Request. */
    public static function fromHeader(string $value): self
    {
        return new self(Library::make('micromint_message *', 'message_from_header', $value));
    }

    /** The type, such as "Payment". */
    public function type(): string
    {
        return Library::texts(1, 'message_type', $this->pointer())[0];
    }

    /** The value of a header such as "User-ID"; null if this type has no such header. */
    public function header(string $name): ?string
    {
        try {
            return Library::texts(1, 'message_header', $this->pointer(), $name)[0];
        } catch (MicroMintError $error) {
            return $error->getCode() === MicroMintError::ABSENT ? null : throw $error;
        }
    }

    /** The decoded data; empty for a type without. */
    public function data(): string
    {
        return Library::texts(1, 'message_data', $this->pointer())[0];
    }

    /** The message in its canonical form. */
    public function print(): string
    {
        return Library::buffer('message_print', $this->pointer());
    }

    /** The value of a header field: for a Payment that of MicroMint-Payment. */
    public function toHeader(): string
    {
        return Library::buffer('message_to_header', $this->pointer());
    }
}

/** A challenge of the scheme "Payment" that coins can answer. */
final class Challenge extends Handle
{
    /** Parses the first such challenge in the value of a header field WWW-Authenticate; ABSENT if there is none. */
    public function __construct(string $value)
    {
        parent::__construct('challenge', Library::make('micromint_challenge *', 'challenge_parse', $value));
    }

    /** The Request-Payment that it contains. */
    public function request(): Message
    {
        return new Message(Library::make('micromint_message *', 'challenge_request', $this->pointer()));
    }

    /** Whether it has expired at a time, in seconds since 1970-01-01 00:00 UTC. */
    public function hasEnded(?int $now = null): bool
    {
        return Library::void('challenge_has_ended', $this->pointer(), $now ?? time());
    }

    /**
     * The header field, name and value, that answers it with a Payment message.
     *
     * @return array{string, string}
     */
    public function answer(string $payment): array
    {
        [$name, $length] = [Library::ffi()->new('const uint8_t *'), Library::ffi()->new('size_t')];
        $places = [FFI::addr($name), FFI::addr($length)];
        $value = Library::buffer('challenge_answer', $this->pointer(), $payment, ...$places);
        return [FFI::string($name, $length->cdata), $value];
    }
}
