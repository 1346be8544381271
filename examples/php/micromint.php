<?php
// Bindings to the installed C library through FFI, for the examples in this folder. Requires
// ext-ffi, and ffi.enable=true outside the command line. MICROMINT_LIBRARY and MICROMINT_HEADER
// name other files.

final class MicroMint
{
    public readonly FFI $c;

    public function __construct()
    {
        $header = file_get_contents(getenv('MICROMINT_HEADER') ?: '/usr/local/include/micromint.h');
        // FFI parses only declarations: insert the constants and remove preprocessor lines.
        preg_match_all('/^#define (MICROMINT_\w+_SIZE\w*) (\d+)$/m', $header, $sizes);
        $header = str_replace($sizes[1], $sizes[2], $header);
        $header = preg_replace(['/^\s*#.*$/m', '/^extern "C" \{$/m', '/^\}  \/\* extern "C" \*\/$/m'], '', $header);
        $this->c = FFI::cdef($header, getenv('MICROMINT_LIBRARY') ?: 'libmicromint.so.0.1');
    }

    /** Calls a function that returns a status, and throws its error. A string is passed as bytes and length. */
    public function call(string $name, mixed ...$arguments): void
    {
        $error = $this->c->new('micromint_error *');
        $given = array_map(fn ($it) => is_string($it) ? [$this->bytes($it), strlen($it)] : [$it], $arguments);
        $status = $this->c->{"micromint_$name"}(...array_merge(...$given, ...[[FFI::addr($error)]]));
        if ($status !== 0) {
            [$text, $length] = [$this->c->new('const uint8_t *'), $this->c->new('size_t')];
            $this->c->micromint_error_message($error, FFI::addr($text), FFI::addr($length));
            $message = FFI::string($text, $length->cdata);
            $this->c->micromint_error_free($error);
            throw new RuntimeException($message, $status);
        }
    }

    /** Calls a function whose last output is an object or a number, and returns that. */
    public function make(string $type, string $name, mixed ...$arguments): FFI\CData
    {
        $made = $this->c->new($type);
        $this->call($name, ...[...$arguments, FFI::addr($made)]);
        return $made;
    }

    /** Calls a function that lends texts, and returns copies of them. */
    public function texts(int $count, string $name, mixed ...$arguments): array
    {
        for ($places = []; count($places) < 2 * $count;) {
            array_push($places, $this->c->new('const uint8_t *'), $this->c->new('size_t'));
        }
        $this->call($name, ...[...$arguments, ...array_map(FFI::addr(...), $places)]);
        return array_map(fn ($pair) => FFI::string($pair[0], $pair[1]->cdata), array_chunk($places, 2));
    }

    /** Sets texts of a struct. Keep the return value as long as the struct is used: it owns the memory. */
    public function fill(FFI\CData $struct, array $texts): array
    {
        $kept = array_map($this->bytes(...), $texts);
        foreach ($texts as $member => $text) {
            $struct->$member = FFI::addr($kept[$member][0]);
            $struct->{$member . '_len'} = strlen($text);
        }
        return $kept;
    }

    /** Headers, each a name and a value: returns the array for C, its length, and the memory to keep. */
    public function fields(array $fields): array
    {
        $array = $this->c->new('micromint_header[' . max(1, count($fields)) . ']');
        $fill = fn ($i) => $this->fill($array[$i], array_combine(['name', 'value'], $fields[$i]));
        return [FFI::addr($array[0]), count($fields), [$array, ...array_map($fill, array_keys($fields))]];
    }

    private function bytes(string $text): FFI\CData
    {
        $bytes = $this->c->new('uint8_t[' . max(1, strlen($text)) . ']');
        FFI::memcpy($bytes, $text, strlen($text));
        return $bytes;
    }
}
