<?php
// The installed C library through FFI: what the examples beside this file call it with. It needs ext-ffi, and
// ffi.enable=true outside the command line. MICROMINT_LIBRARY and MICROMINT_HEADER name other files.

final class MicroMint
{
    public readonly FFI $c;

    public function __construct()
    {
        $header = file_get_contents(getenv('MICROMINT_HEADER') ?: '/usr/local/include/micromint.h');
        // FFI reads declarations only: constants are put in, what is for the preprocessor is left out.
        preg_match_all('/^#define (MICROMINT_\w+_SIZE\w*) (\d+)$/m', $header, $sizes);
        $header = str_replace($sizes[1], $sizes[2], $header);
        $header = preg_replace(['/^\s*#.*$/m', '/^extern "C" \{$/m', '/^\}  \/\/ extern "C"$/m'], '', $header);
        $this->c = FFI::cdef($header, getenv('MICROMINT_LIBRARY') ?: 'libmicromint.so.0.1');
    }

    /** Calls a function that gives a status, and throws its error. A text becomes its bytes and their length. */
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

    /** Calls a function that makes an object, or writes a number, as its last output. */
    public function make(string $type, string $name, mixed ...$arguments): FFI\CData
    {
        $made = $this->c->new($type);
        $this->call($name, ...[...$arguments, FFI::addr($made)]);
        return $made;
    }

    /** Copies the texts that a function lends. */
    public function texts(int $count, string $name, mixed ...$arguments): array
    {
        for ($places = []; count($places) < 2 * $count;) {
            array_push($places, $this->c->new('const uint8_t *'), $this->c->new('size_t'));
        }
        $this->call($name, ...[...$arguments, ...array_map(FFI::addr(...), $places)]);
        return array_map(fn ($pair) => FFI::string($pair[0], $pair[1]->cdata), array_chunk($places, 2));
    }

    /** Sets texts of a struct. They must live as long as it is used: keep what is given back. */
    public function fill(FFI\CData $struct, array $texts): array
    {
        $kept = array_map($this->bytes(...), $texts);
        foreach ($texts as $member => $text) {
            $struct->$member = FFI::addr($kept[$member][0]);
            $struct->{$member . '_len'} = strlen($text);
        }
        return $kept;
    }

    /** Header fields, each a name and a value: the array for C, their number, and what to keep. */
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
