<?php

declare(strict_types=1);

namespace MicroMint;

use FFI;
use FFI\CData;

/** An error of the library. The code is one of MICROMINT_ERROR_*; the text says what was expected, what was found and where. */
final class MicroMintError extends \RuntimeException
{
    /** A file cannot be read or written, or is damaged. */
    public const FILE = 7;
    /** The requested item does not exist. */
    public const ABSENT = 9;
    /** Not possible in the present state of the object. */
    public const STATE = 10;
}

/** The C library through FFI. Requires ffi.enable=true in php.ini (the command line needs nothing). */
final class Library
{
    /** The minor version of the library that micromint.ffi.h describes. */
    private const MINOR = 1;

    private static ?FFI $ffi = null;

    /** The library that the environment variable MICROMINT_LIBRARY names, or the installed one. */
    public static function ffi(): FFI
    {
        if (self::$ffi === null) {
            $path = getenv('MICROMINT_LIBRARY') ?: 'libmicromint.so.0.' . self::MINOR;
            $ffi = FFI::cdef(file_get_contents(__DIR__ . '/micromint.ffi.h'), $path);
            $number = $ffi->micromint_version_number();
            if (intdiv($number, 100) !== self::MINOR) {
                throw new \RuntimeException("$path: expected libmicromint 0." . self::MINOR . ", found number $number");
            }
            self::$ffi = $ffi;
        }
        return self::$ffi;
    }

    /** The version of the library. */
    public static function version(): string
    {
        return self::ffi()->micromint_version();
    }

    /** Calls a function that returns a status, and throws its error. A string is passed as bytes and length. */
    public static function call(string $name, mixed ...$arguments): void
    {
        $error = self::ffi()->new('micromint_error *');
        $status = self::void($name, ...[...$arguments, FFI::addr($error)]);
        if ($status !== 0) {
            [$text, $length] = [self::ffi()->new('const uint8_t *'), self::ffi()->new('size_t')];
            self::ffi()->micromint_error_message($error, FFI::addr($text), FFI::addr($length));
            $message = $length->cdata === 0 ? '' : FFI::string($text, $length->cdata);
            self::ffi()->micromint_error_free($error);
            throw new MicroMintError($message, $status);
        }
    }

    /** Calls a function that returns something else. A string is passed as bytes and length. */
    public static function void(string $name, mixed ...$arguments): mixed
    {
        $given = [];
        foreach ($arguments as $argument) {
            if (is_string($argument)) {
                array_push($given, self::bytes($argument), strlen($argument));
            } else {
                $given[] = $argument;
            }
        }
        return self::ffi()->{"micromint_$name"}(...$given);
    }

    /** Calls a function whose last output is an object or a number, and returns that. */
    public static function make(string $type, string $name, mixed ...$arguments): CData
    {
        $made = self::ffi()->new($type);
        self::call($name, ...[...$arguments, FFI::addr($made)]);
        return $made;
    }

    /**
     * Calls a function that lends texts, and returns copies of them.
     *
     * @return list<string>
     */
    public static function texts(int $count, string $name, mixed ...$arguments): array
    {
        for ($places = []; count($places) < 2 * $count;) {
            array_push($places, self::ffi()->new('const uint8_t *'), self::ffi()->new('size_t'));
        }
        self::call($name, ...[...$arguments, ...array_map(FFI::addr(...), $places)]);
        $text = fn (array $pair) => $pair[1]->cdata === 0 ? '' : FFI::string($pair[0], $pair[1]->cdata);
        return array_map($text, array_chunk($places, 2));
    }

    /** Calls a function whose last output is a buffer; returns its bytes and frees it. */
    public static function buffer(string $name, mixed ...$arguments): string
    {
        return self::take(self::make('micromint_buffer *', $name, ...$arguments));
    }

    /** The bytes of a buffer, which this frees; empty for NULL. */
    public static function take(CData $buffer): string
    {
        if (FFI::isNull($buffer)) {
            return '';
        }
        $length = self::ffi()->micromint_buffer_len($buffer);
        $bytes = $length === 0 ? '' : FFI::string(self::ffi()->micromint_buffer_data($buffer), $length);
        self::ffi()->micromint_buffer_free($buffer);
        return $bytes;
    }

    /** Checks a number. PHP would convert texts, truth values and fractions. */
    public static function integer(string $what, mixed $value, int $least = 0, int $most = 0xffffffff): int
    {
        if (!is_int($value)) {
            $found = is_scalar($value) ? var_export($value, true) : get_debug_type($value);
            throw new \TypeError("$what: expected an integer, found $found");
        }
        if ($value < $least || $value > $most) {
            throw new \ValueError("$what: expected $least to $most, found $value");
        }
        return $value;
    }

    /** A copy of a text that C can read, which lives as long as the returned object. */
    private static function bytes(string $text): CData
    {
        $bytes = self::ffi()->new('uint8_t[' . max(1, strlen($text)) . ']');
        FFI::memcpy($bytes, $text, strlen($text));
        return $bytes;
    }
}

/** An object of the library. It is freed by close() or with its last reference, and cannot be copied. */
abstract class Handle
{
    private ?CData $pointer;

    protected function __construct(private readonly string $kind, CData $pointer)
    {
        $this->pointer = $pointer;
    }

    public function __destruct()
    {
        $this->close();
    }

    public function __clone()
    {
        // The copy must not free the object.
        $this->pointer = null;
        throw new \Error(static::class . ' cannot be copied');
    }

    /** @return never */
    public function __serialize(): array
    {
        throw new \Error(static::class . ' cannot be serialized');
    }

    /** @return never */
    public function __unserialize(array $data): void
    {
        throw new \Error(static::class . ' cannot be serialized');
    }

    /** @internal for the classes of this package */
    public function pointer(): CData
    {
        return $this->pointer
            ?? throw new MicroMintError('the ' . static::class . ' is closed', MicroMintError::STATE);
    }

    /** Frees the object. Later calls of its methods throw. */
    public function close(): void
    {
        // Subclasses whose constructor threw have no pointer.
        if (isset($this->pointer)) {
            [$pointer, $this->pointer] = [$this->pointer, null];
            Library::void("{$this->kind}_free", $pointer);
        }
    }
}
