<?php

// Loads the package where Composer does not: require '/path/to/micromint/autoload.php';

declare(strict_types=1);

foreach (['Library', 'Messages', 'Paywall', 'Page', 'functions'] as $micromint) {
    require_once __DIR__ . "/src/$micromint.php";
}
unset($micromint);
if (interface_exists(\Psr\Http\Server\MiddlewareInterface::class)) {
    require_once __DIR__ . '/src/Middleware.php';
}
