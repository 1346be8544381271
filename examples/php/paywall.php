<?php
// Asks for coins for a PHP page, under any web server: call charge(1) at the beginning of a script.
require __DIR__ . '/micromint.php';

/** Returns if the page is free or paid for; otherwise sends the response and ends the script. */
function charge(int $price, string $config = '/etc/micromint/vendor.toml'): void
{
    $library = new MicroMint();
    $library->call('paywall_prepare', $config, null);
    $paywall = $library->make('micromint_paywall *', 'paywall_open', $config, null);
    $decision = decide($library, $paywall, $price);
    if (!$library->c->micromint_decision_serves($decision)) {
        change_head($library, $decision, 0, false);
        // Set the status last: a WWW-Authenticate header makes PHP send 401, and browsers ask for a
        // password.
        http_response_code($library->c->micromint_decision_status($decision));
        echo $library->texts(1, 'decision_body', $decision)[0];
        exit;
    }
    // Remove what the page must not get: the payment, and headers that could change the request.
    for ($i = 0; $i < $library->c->micromint_decision_strip_header_count($decision); $i++) {
        $name = $library->texts(1, 'decision_strip_header', $decision, $i)[0];
        unset($_SERVER['HTTP_' . strtr(strtoupper($name), '-', '_')]);
    }
    if ($library->c->micromint_decision_is_as_get($decision)) {
        [$_SERVER['REQUEST_METHOD'], $_POST] = ['GET', []];
    }
    // PHP calls this before it sends the headers, when the status is known: if the page failed, the
    // payment is reversed.
    header_register_callback(function () use ($library, $paywall, $decision) {
        $status = http_response_code();
        $reversed = $library->make('bool', 'paywall_finish', $paywall, $decision, $status)->cdata;
        change_head($library, $decision, $status, $reversed);
        $library->c->micromint_decision_free($decision);
        $library->c->micromint_paywall_free($paywall);
    });
}

/** Asks the paywall about the current request. */
function decide(MicroMint $library, FFI\CData $paywall, int $price): FFI\CData
{
    $request = $library->c->new('micromint_request');
    $kept = $library->fill($request, [
        'method' => $_SERVER['REQUEST_METHOD'],
        'target' => $_SERVER['REQUEST_URI'],
        'host' => $_SERVER['HTTP_HOST'] ?? '',
        'body' => file_get_contents('php://input'),
    ]);
    $fields = getallheaders();
    [$request->headers, $request->headers_len, $kept[]] =
        $library->fields(array_map(null, array_keys($fields), array_values($fields)));
    $request->is_body_read = 1;
    $request->is_https = empty($_SERVER['HTTPS']) ? 0 : 1;
    $request->price = $price;
    return $library->make('micromint_decision *', 'paywall_decide', $paywall, FFI::addr($request));
}

/** Changes the headers that PHP will send as the decision says. */
function change_head(MicroMint $library, FFI\CData $decision, int $status, bool $reversed): void
{
    $mine = array_map(fn ($line) => array_map(trim(...), explode(':', $line, 2)), headers_list());
    [$fields, $count, $kept] = $library->fields($mine);
    $head = $library->make('micromint_head *', 'decision_head', $decision, $status, $reversed, $fields, $count);
    for ($i = 0; $i < $library->c->micromint_head_remove_count($head); $i++) {
        header_remove($library->texts(1, 'head_remove', $head, $i)[0]);
    }
    for ($i = 0; $i < $library->c->micromint_head_add_count($head); $i++) {
        header(implode(': ', $library->texts(2, 'head_add', $head, $i)), false);
    }
    $library->c->micromint_head_free($head);
}
