<?php
// A page that costs one coin, and one that does not exist:
//   php -d ffi.enable=true -S localhost:8000 story.php
require __DIR__ . '/paywall.php';

charge(1, getenv('VENDOR_CONFIG') ?: '/etc/micromint/vendor.toml');
if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) !== '/story') {
    http_response_code(404);
    exit("This page does not exist.\n");
}
echo "the story\n";
