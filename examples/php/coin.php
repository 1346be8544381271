<?php
// Checks a coin of alice for news.example: php coin.php 2026-12.params
require __DIR__ . '/micromint.php';

$library = new MicroMint();
$params = $library->make('micromint_params *', 'params_from_toml', file_get_contents($argv[1]));
$checker = $library->make('micromint_checker *', 'checker_new', $params, 'news.example');
$coin = $library->c->new('uint64_t[4]');
foreach ([0x892, 0x245, 0x1298, 0x78a] as $i => $x) {
    $coin[$i] = $x; // below 2^60, so it fits PHP's signed integers
}
foreach (['alice', 'bob'] as $user) {
    $fault = $library->c->new('micromint_coin_fault');
    $library->call('checker_check', $checker, $user, $coin, 4, FFI::addr($fault), null);
    echo $fault->cdata === 0 ? 'good' : 'bad', "\n";
}
$library->c->micromint_checker_free($checker);

// A hash has 64 bits, so as PHP's signed integers half of the hashes are negative: print hex.
echo sprintf('%016x', $library->make('uint64_t', 'hash', $params, 0x892)->cdata), "\n";
$library->c->micromint_params_free($params);

try {
    $library->make('micromint_params *', 'params_from_toml', 'period = 7');
} catch (RuntimeException $error) {
    echo $error->getCode(), ': ', $error->getMessage(), "\n";
}
