<?php

// Tests of the package: php -d ffi.enable=true tests/run.php

declare(strict_types=1);

require 'Nyholm/Psr7/autoload.php';
require __DIR__ . '/../autoload.php';

use MicroMint\Challenge;
use MicroMint\Message;
use MicroMint\Middleware;
use MicroMint\MicroMintError;
use MicroMint\Params;
use MicroMint\Paywall;
use MicroMint\Request;
use MicroMint\Terms;
use Nyholm\Psr7\Factory\Psr17Factory;
use Nyholm\Psr7\ServerRequest;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\RequestHandlerInterface;

$failures = 0;

function check(string $what, mixed $found, mixed $expected): void
{
    global $failures;
    if ($found !== $expected) {
        $failures++;
        echo "$what: expected ", var_export($expected, true), ', found ', var_export($found, true), "\n";
    }
}

/** @param class-string<Throwable> $class */
function throws(string $what, string $class, callable $work): void
{
    try {
        $work();
        check($what, 'nothing thrown', $class);
    } catch (Throwable $error) {
        check($what, $error instanceof $class ? $class : (string) $error, $class);
    }
}

$toml = file_get_contents(__DIR__ . '/../../../testdata/periods/2026-12.params');
$coin = [0x892, 0x245, 0x1298, 0x78a];
$params = new Params($toml);
check('a good coin', $params->check('news.example', 'alice', $coin), 0);
check('of another user', $params->check('news.example', 'bob', $coin), 4);
check('a hash', $params->hash(0x892), '881e58b86050a8bc');
check('k', $params->coinSize(), 4);
throws('x', ValueError::class, fn () => $params->check('news.example', 'alice', [-1]));
throws('a clone', Error::class, fn () => clone $params);
throws('a serialized handle', Error::class, fn () => serialize($params));
check('still there', $params->coinSize(), 4);
$params->close();
$params->close();
throws('closed', MicroMintError::class, fn () => $params->toToml());
throws('no parameters', MicroMintError::class, fn () => new Params('period = 7'));

foreach ([1 << 32, -1] as $number) {
    throws("price $number", ValueError::class, fn () => new Terms($number));
    throws("views $number", ValueError::class, fn () => new Terms(1, $number));
}
foreach ([1.0, 1.5, NAN, true, '1', '4294967296', null, []] as $value) {
    throws('price ' . var_export($value, true), TypeError::class, fn () => new Terms($value));
}

$folder = sys_get_temp_dir() . '/micromint-' . bin2hex(random_bytes(6));
mkdir("$folder/periods", 0777, true);
$toml = preg_replace(['/^start = "2026/m', '/^expiration = "2027/m', '/^redeem-until = "2027/m'],
    ['start = "2020', 'expiration = "2031', 'redeem-until = "2032'], $toml);
file_put_contents("$folder/periods/2026-12.params", $toml);
file_put_contents("$folder/vendor.toml", "vendor-id = \"news.example\"\norigins = [\"http://news.example\"]\n" .
    "periods = \"periods\"\ntill = \"till\"\n");
$lines = [];
$log = function (int $level, string $line) use (&$lines): void {
    $lines[] = $line;
};
$open = count(scandir('/proc/self/fd'));
for ($i = 0; $i < 50; $i++) {
    $paywall = new Paywall("$folder/vendor.toml", $log);
    $request = new Request('GET', 'http://u@news.example:80/story', new Terms(2), [['Accept', '*/*']], isHttps: false);
    $decision = $paywall->decide($request, fn () => null);
    check('status', $decision->status(), 402);
    $fields = array_column($decision->head(402, false, [])[1], 1, 0);
    array_map(fn ($it) => $it->close(), [$decision, $request, $paywall]);
}
check('descriptors', count(scandir('/proc/self/fd')), $open);
check('a warning', count($lines) > 0, true);
$wanted = Message::fromHeader($fields['MicroMint-Request']);
check('type', $wanted->type(), 'Request-Payment');
check('price', $wanted->header('Price'), '2');
check('no header', $wanted->header('Nothing'), null);
check('printed', (new Message($wanted->print()))->print(), $wanted->print());
$challenge = new Challenge($fields['WWW-Authenticate']);
check('request', $challenge->request()->print(), $wanted->print());
check('not ended', $challenge->hasEnded(), false);
check('ended', $challenge->hasEnded(1 << 40), true);
throws('no payment', MicroMintError::class, fn () => $challenge->answer('nonsense'));

// Routers decode paths, and so does the table of prices.
$psr = new Psr17Factory();
$page = new class ($psr) implements RequestHandlerInterface {
    public function __construct(private readonly Psr17Factory $psr)
    {
    }

    public function handle(ServerRequestInterface $request): ResponseInterface
    {
        return $this->psr->createResponse(200);
    }
};
$prices = ['/story' => 1, '/café' => 1, '/100%' => 1, '/free' => 0, '/none' => null];
$paywall = new Paywall("$folder/vendor.toml", $log);
$middleware = new Middleware($paywall, $psr, $psr, $prices);
$ask = fn (string $path) => $middleware->process(new ServerRequest('GET', "http://news.example$path"), $page);
foreach (['/story', '/%73tory', '/stor%79', '/caf%C3%A9', '/caf%c3%a9', '/100%25'] as $path) {
    check($path, $ask($path)->getStatusCode(), 402);
}
check('free', $ask('/fr%65e')->getStatusCode(), 200);
check('no price', $ask('/other')->getStatusCode(), 200);
throws('a price that is null', TypeError::class, fn () => $ask('/n%6fne'));
$paywall->close();

foreach (new RecursiveIteratorIterator(
    new RecursiveDirectoryIterator($folder, FilesystemIterator::SKIP_DOTS),
    RecursiveIteratorIterator::CHILD_FIRST,
) as $file) {
    $file->isDir() ? rmdir($file->getPathname()) : unlink($file->getPathname());
}
rmdir($folder);
echo $failures === 0 ? "ok\n" : "$failures failures\n";
exit($failures === 0 ? 0 : 1);
