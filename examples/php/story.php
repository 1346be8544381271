<?php
// A page that costs a coin: php -d ffi.enable=true -S localhost:8000 story.php
require __DIR__ . '/MicroMint.php';

(new MicroMint(getenv('VENDOR_CONFIG') ?: '/etc/micromint/vendor.toml'))->charge(1);
echo "the story\n";
