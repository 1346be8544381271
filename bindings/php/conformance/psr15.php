<?php

// The conformance application for PSR-15, with Nyholm's PSR-7.

declare(strict_types=1);

require 'Nyholm/Psr7/autoload.php';
require __DIR__ . '/cases.php';

use MicroMint\Middleware;
use MicroMint\Paywall;
use Nyholm\Psr7\Factory\Psr17Factory;
use Nyholm\Psr7\Response;
use Nyholm\Psr7\ServerRequest;
use Nyholm\Psr7\Stream;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\RequestHandlerInterface;

/** A body that comes in two pieces, a second apart, or fails after the first. */
final class Late
{
    public $context;
    private int $at = 0;

    public function stream_open(string $path): bool
    {
        return true;
    }

    public function stream_read(): string
    {
        if ($this->at++ === 0) {
            return 'first';
        }
        if ($this->at === 2 && self::$what === 'slow') {
            sleep(1);
            return 'second';
        }
        if (self::$what === 'fail-late') {
            throw new RuntimeException('the page fails');
        }
        return '';
    }

    public function stream_eof(): bool
    {
        return $this->at >= 3;
    }

    public function stream_stat(): array
    {
        return [];
    }

    public static string $what = '';
}

final class Site implements RequestHandlerInterface
{
    public function handle(ServerRequestInterface $request): ResponseInterface
    {
        $field = fieldOf($request);
        $what = $field('X-Case-Content') ?? '200';
        if ($what === 'fail') {
            throw new RuntimeException('the page fails');
        }
        for ($size = 0, $body = $request->getBody(); !$body->eof();) {
            $size += strlen($body->read(65536));
        }
        $status = ctype_digit($what) ? (int) $what : 200;
        $response = new Response($status);
        $names = array_keys($request->getHeaders());
        foreach (contentFields($field, $request->getMethod(), $size, $names) as [$name, $value]) {
            $response = $response->withAddedHeader($name, $value);
        }
        if (!ctype_digit($what)) {
            Late::$what = $what;
            return $response->withBody(Stream::create(fopen('late://', 'rb')));
        }
        $hasBody = $request->getMethod() !== 'HEAD' && !in_array($status, [204, 304], true);
        return $response->withBody(Stream::create($hasBody ? 'content' : ''));
    }
}

function fieldOf(ServerRequestInterface $request): callable
{
    return fn (string $name) => $request->hasHeader($name) ? $request->getHeaderLine($name) : null;
}

stream_wrapper_register('late', Late::class);
$request = new ServerRequest(
    $_SERVER['REQUEST_METHOD'],
    'http://' . ($_SERVER['HTTP_HOST'] ?? 'localhost') . '/',
    getallheaders(),
    fopen('php://input', 'rb'),
    '1.1',
    $_SERVER,
);
// What a server or a proxy in front would do.
$field = fieldOf($request);
$uri = $request->getUri()->withScheme($field('X-Case-Https') === '1' ? 'https' : 'http');
$request = $request->withUri($uri, true);
if ($field('X-Case-Client') !== null) {
    $server = ['REMOTE_ADDR' => $field('X-Case-Client')] + $_SERVER;
    $request = new ServerRequest($request->getMethod(), $uri, getallheaders(), $request->getBody(), '1.1', $server);
}

$psr = new Psr17Factory();
$paywall = new Paywall(vendorConfig($field('X-Case-Vendor')), fn ($level, $line) => line($line));
$middleware = new Middleware($paywall, $psr, $psr, fn ($request) => terms(fieldOf($request)), event(...));
$response = $middleware->process($request, new Site());

header_remove('X-Powered-By');
ini_set('default_mimetype', '');
http_response_code($response->getStatusCode());
foreach ($response->getHeaders() as $name => $values) {
    foreach ($values as $value) {
        header("$name: $value", false, $response->getStatusCode());
    }
}
$body = $response->getBody();
if ($body->isSeekable()) {
    $body->rewind();
}
while (!$body->eof()) {
    echo $body->read(8192);
    flush();
}
