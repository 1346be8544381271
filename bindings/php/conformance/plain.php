<?php

// The conformance application without a framework.

declare(strict_types=1);

require __DIR__ . '/cases.php';

$field = fn (string $name) => $_SERVER['HTTP_' . strtr(strtoupper($name), '-', '_')] ?? null;
// What a server or a proxy in front would do.
$_SERVER['HTTPS'] = $field('X-Case-Https') === '1' ? 'on' : '';
$_SERVER['REMOTE_ADDR'] = $field('X-Case-Client') ?? $_SERVER['REMOTE_ADDR'];

MicroMint\charge(terms($field), vendorConfig($field('X-Case-Vendor')), event(...), fn ($level, $line) => line($line));

$size = 0;
if ($_SERVER['REQUEST_METHOD'] !== 'GET') {
    $stream = fopen('php://input', 'rb');
    while (($piece = fread($stream, 65536)) !== '' && $piece !== false) {
        $size += strlen($piece);
    }
}
$names = [];
foreach ($_SERVER as $name => $value) {
    if (str_starts_with($name, 'HTTP_') || in_array($name, ['CONTENT_TYPE', 'CONTENT_LENGTH'], true)) {
        $names[] = strtr(preg_replace('/^HTTP_/', '', $name), '_', '-');
    }
}
$what = $field('X-Case-Content') ?? '200';
if ($what === 'fail') {
    // An uncaught exception is then sent as a success, which must not be charged.
    ini_set('display_errors', $field('X-Case-Price') === '0' ? '0' : '1');
    throw new RuntimeException('the page fails');
}
header_remove('X-Powered-By');
ini_set('default_mimetype', '');
foreach (contentFields($field, $_SERVER['REQUEST_METHOD'], $size, $names) as [$name, $value]) {
    header("$name: $value", false);
}
$status = ctype_digit($what) ? (int) $what : 200;
http_response_code($status);
if ($what === 'slow' || $what === 'fail-late') {
    echo 'first';
    flush();
    if ($what === 'fail-late') {
        throw new RuntimeException('the page fails');
    }
    sleep(1);
    echo 'second';
} elseif ($_SERVER['REQUEST_METHOD'] !== 'HEAD' && !in_array($status, [204, 304], true)) {
    echo 'content';
}
