<?php
// MicroMint from PHP, through FFI and the installed C library: check coins, and ask for coins before a page.
// Needs ext-ffi, and ffi.enable=true outside the command line. MICROMINT_LIBRARY and MICROMINT_HEADER name other files.

final class MicroMint
{
    private FFI $c;
    private FFI\CData $paywall;

    /** Opens the paywall of a configuration file (docs/vendor.md); with null only coins are checked. */
    public function __construct(?string $config = null)
    {
        $header = file_get_contents(getenv('MICROMINT_HEADER') ?: '/usr/local/include/micromint.h');
        // FFI reads declarations only: constants are put in, what is for the preprocessor is left out.
        preg_match_all('/^#define (MICROMINT_\w+_SIZE\w*) (\d+)$/m', $header, $sizes);
        $header = str_replace($sizes[1], $sizes[2], $header);
        $header = preg_replace(['/^\s*#.*$/m', '/^extern "C" \{$/m', '/^\}  \/\/ extern "C"$/m'], '', $header);
        $this->c = FFI::cdef($header, getenv('MICROMINT_LIBRARY') ?: 'libmicromint.so.0.1');
        if ($config !== null) {
            $this->paywall = $this->c->new('micromint_paywall *');
            $this->call('paywall_prepare', ...[...$this->text($config), null]);
            $this->call('paywall_open', ...[...$this->text($config), null, FFI::addr($this->paywall)]);
        }
    }

    public function __destruct()
    {
        if (isset($this->paywall)) {
            $this->c->micromint_paywall_free($this->paywall);
        }
    }

    /** The hash of an x, as 16 hexadecimal digits: PHP's integers are signed, so half of all outputs would look
     *  negative. An x itself is below 2^60 and safe. */
    public function hash(string $toml, int $x): string
    {
        $output = $this->c->new('uint64_t');
        $this->with($toml, fn ($params) => $this->call('hash', $params, $x, FFI::addr($output)));
        return sprintf('%016x', $output->cdata);
    }

    /** What is wrong with a coin (micromint_coin_fault); 0 for a good one. */
    public function check(string $toml, string $vendor, string $user, array $x): int
    {
        $coin = $this->c->new('uint64_t[' . count($x) . ']');
        foreach ($x as $i => $input) {
            $coin[$i] = $input;
        }
        [$checker, $fault] = [$this->c->new('micromint_checker *'), $this->c->new('micromint_coin_fault')];
        $this->with($toml, fn ($params) =>
            $this->call('checker_new', $params, ...[...$this->text($vendor), FFI::addr($checker)]));
        $this->call('checker_check', $checker, ...[...$this->text($user), $coin, count($x), FFI::addr($fault), null]);
        $this->c->micromint_checker_free($checker);
        return $fault->cdata;
    }

    /** Lets the script go on if the page is free or paid for; otherwise answers and ends it. */
    public function charge(int $price): void
    {
        $body = file_get_contents('php://input');
        $fields = getallheaders();
        $headers = $this->c->new('micromint_header[' . max(1, count($fields)) . ']');
        $request = $this->c->new('micromint_request');
        $kept = [];
        $put = function (FFI\CData $to, string $member, string $text) use (&$kept) {
            [$bytes, $length] = $this->text($text);
            $kept[] = $bytes; // lives as long as the request
            $to->$member = FFI::addr($bytes[0]);
            $to->{$member . '_len'} = $length;
        };
        foreach (array_keys($fields) as $i => $name) {
            $put($headers[$i], 'name', $name);
            $put($headers[$i], 'value', $fields[$name]);
        }
        $put($request, 'method', $_SERVER['REQUEST_METHOD']);
        $put($request, 'target', $_SERVER['REQUEST_URI']);
        $put($request, 'host', $_SERVER['HTTP_HOST'] ?? '');
        $put($request, 'body', $body);
        [$request->headers, $request->headers_len] = [FFI::addr($headers[0]), count($fields)];
        [$request->is_body_read, $request->is_https, $request->price] = [1, empty($_SERVER['HTTPS']) ? 0 : 1, $price];

        $decision = $this->c->new('micromint_decision *');
        $this->call('paywall_decide', $this->paywall, FFI::addr($request), FFI::addr($decision));
        $serves = $this->c->micromint_decision_serves($decision);
        for ($i = 0; $i < $this->c->micromint_decision_header_count($decision); $i++) {
            [$name, $value] = $this->lent('decision_header', 2, $decision, $i);
            header("$name: $value", false);
        }
        if ($this->c->micromint_decision_is_private($decision)) {
            header('Cache-Control: private');
        }
        // Last: PHP turns a WWW-Authenticate into a 401, which a browser would ask a password for.
        http_response_code($serves ? 200 : $this->c->micromint_decision_status($decision));
        $answer = $serves ? '' : $this->lent('decision_body', 1, $decision)[0];
        $this->c->micromint_decision_free($decision);
        if (!$serves) {
            exit($answer);
        }
    }

    /** Calls a function that gives a status, and throws its error. */
    private function call(string $name, ...$arguments): void
    {
        $error = $this->c->new('micromint_error *');
        $status = $this->c->{"micromint_$name"}(...[...$arguments, FFI::addr($error)]);
        if ($status !== 0) {
            [$text, $length] = [$this->c->new('const uint8_t *'), $this->c->new('size_t')];
            $this->c->micromint_error_message($error, FFI::addr($text), FFI::addr($length));
            $message = FFI::string($text, $length->cdata);
            $this->c->micromint_error_free($error);
            throw new RuntimeException($message, $status);
        }
    }

    /** Texts that a function lends, copied. */
    private function lent(string $name, int $count, ...$arguments): array
    {
        $places = [];
        for ($i = 0; $i < $count; $i++) {
            array_push($places, $this->c->new('const uint8_t *'), $this->c->new('size_t'));
        }
        $this->call($name, ...[...$arguments, ...array_map(FFI::addr(...), $places)]);
        return array_map(fn ($pair) => FFI::string($pair[0], $pair[1]->cdata), array_chunk($places, 2));
    }

    /** Bytes and their length. */
    private function text(string $text): array
    {
        $bytes = $this->c->new('uint8_t[' . max(1, strlen($text)) . ']');
        FFI::memcpy($bytes, $text, strlen($text));
        return [$bytes, strlen($text)];
    }

    /** Calls back with the parameters of a PERIOD.params file. */
    private function with(string $toml, Closure $body): void
    {
        $params = $this->c->new('micromint_params *');
        $this->call('params_from_toml', ...[...$this->text($toml), FFI::addr($params)]);
        try {
            $body($params);
        } finally {
            $this->c->micromint_params_free($params);
        }
    }
}
