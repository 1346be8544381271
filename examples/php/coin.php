<?php
// Checks a coin of alice for news.example: php coin.php 2026-12.params
require __DIR__ . '/MicroMint.php';

$toml = file_get_contents($argv[1]);
$library = new MicroMint();
$coin = [0x892, 0x245, 0x1298, 0x78a];
echo $library->check($toml, 'news.example', 'alice', $coin) === 0 ? 'good' : 'bad', "\n";
echo $library->check($toml, 'news.example', 'bob', $coin) === 0 ? 'good' : 'bad', "\n";
echo $library->hash($toml, 0x892), "\n";
try {
    $library->hash('period = 7', 0);
} catch (RuntimeException $error) {
    echo $error->getCode(), ': ', $error->getMessage(), "\n";
}
