<?php

declare(strict_types=1);

namespace MicroMint;

use Psr\Http\Message\ResponseFactoryInterface;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Message\StreamFactoryInterface;
use Psr\Http\Server\MiddlewareInterface;
use Psr\Http\Server\RequestHandlerInterface;

/** Asks for coins for pages of an application (PSR-15). Put it outermost: it must see the response that is sent. */
final class Middleware implements MiddlewareInterface
{
    /**
     * @param array<string, int|Terms>|callable(ServerRequestInterface): (int|Terms) $prices by decoded path, or a
     *     function. A path without a price is free.
     * @param ?callable(string): void $onEvent receives a log line for every request
     */
    public function __construct(
        private readonly Paywall $paywall,
        private readonly ResponseFactoryInterface $responses,
        private readonly StreamFactoryInterface $streams,
        private readonly mixed $prices,
        private readonly mixed $onEvent = null,
    ) {
    }

    public function process(ServerRequestInterface $request, RequestHandlerInterface $handler): ResponseInterface
    {
        $terms = Terms::of(
            is_array($this->prices) ? $this->priceOf($request->getUri()->getPath()) : ($this->prices)($request)
        );
        $asked = $this->asked($request, $terms);
        try {
            $decision = $this->paywall->decide($asked, function (int $most) use (&$request): ?string {
                return $this->readBody($request, $most);
            });
        } finally {
            $asked->close();
        }
        try {
            return $decision->serves()
                ? $this->serve($decision, $request, $handler)
                : $this->answer($decision, $request->getMethod());
        } finally {
            $decision->close();
        }
    }

    /** Routers decode paths: /%73tory is /story. */
    private function priceOf(string $path): mixed
    {
        foreach ([rawurldecode($path), $path] as $spelling) {
            // Also null, which is no price and an error.
            if (array_key_exists($spelling, $this->prices)) {
                return $this->prices[$spelling];
            }
        }
        return 0;
    }

    private function asked(ServerRequestInterface $request, Terms $terms): Request
    {
        $server = $request->getServerParams();
        $uri = $request->getUri();
        return new Request(
            $request->getMethod(),
            (string) ($server['REQUEST_URI'] ?? $request->getRequestTarget()),
            $terms,
            self::fields($request->getHeaders()),
            $request->hasHeader('Host') ? $request->getHeaderLine('Host') : null,
            $uri->getScheme() === 'https',
            is_numeric($server['SERVER_PORT'] ?? '') ? (int) $server['SERVER_PORT'] & 0xffff : 0,
            isset($server['REMOTE_ADDR']) ? (string) $server['REMOTE_ADDR'] : null,
        );
    }

    /** Reads a body of at most this many bytes; null if it is longer. The handler can read it again. */
    private function readBody(ServerRequestInterface &$request, int $most): ?string
    {
        $body = $request->getBody();
        if (($body->getSize() ?? 0) > $most) {
            return null;
        }
        if (!$body->isSeekable()) {
            // Larger bodies go to a file.
            $copy = $this->streams->createStreamFromFile('php://temp', 'r+');
            while (!$body->eof()) {
                $copy->write($body->read(8192));
            }
            $request = $request->withBody($body = $copy);
        }
        $body->rewind();
        for ($text = ''; strlen($text) <= $most && !$body->eof();) {
            $text .= $body->read($most + 1 - strlen($text));
        }
        $body->rewind();
        return strlen($text) <= $most ? $text : null;
    }

    private function answer(Decision $decision, string $method): ResponseInterface
    {
        $status = $decision->status();
        $response = $this->responses->createResponse($status);
        $response = self::withHead($response, $decision->head($status, false, []));
        if (!in_array($status, [204, 304], true)) {
            $response = $response->withHeader('Content-Length', (string) strlen($decision->body()));
        }
        $this->report($decision, $status, false);
        return $method === 'HEAD' ? $response : $response->withBody($this->streams->createStream($decision->body()));
    }

    private function serve(
        Decision $decision,
        ServerRequestInterface $request,
        RequestHandlerInterface $handler,
    ): ResponseInterface {
        foreach ($decision->hiddenHeaders() as $name) {
            $request = $request->withoutHeader($name);
        }
        if ($decision->isAsGet()) {
            $request = $request->withMethod('GET')->withBody($this->streams->createStream())
                ->withParsedBody(null)->withUploadedFiles([]);
        }
        try {
            $response = $handler->handle($request);
            $status = Library::integer('status', $response->getStatusCode(), 100, 999);
        } catch (\Throwable $error) {
            $isReversed = $this->paywall->finish($decision, 500);
            $this->report($decision, 500, $isReversed);
            if (!$isReversed) {
                throw $error;
            }
            // The client must be told that its coins are still good.
            error_log((string) $error);
            $response = $this->responses->createResponse(500)->withHeader('Content-Type', 'text/plain')
                ->withBody($this->streams->createStream("Internal Server Error\n"));
            return self::withHead($response, $decision->head(500, true, self::fields($response->getHeaders())));
        }
        $isReversed = $this->paywall->finish($decision, $status);
        $response = self::withHead(
            $response,
            $decision->head($status, $isReversed, self::fields($response->getHeaders())),
        );
        $this->report($decision, $status, $isReversed);
        return $response;
    }

    private function report(Decision $decision, int $status, bool $isReversed): void
    {
        report($this->onEvent, $decision, $status, $isReversed);
    }

    /** @param array{list<string>, list<array{string, string}>} $head */
    private static function withHead(ResponseInterface $response, array $head): ResponseInterface
    {
        foreach ($head[0] as $name) {
            $response = $response->withoutHeader($name);
        }
        foreach ($head[1] as [$name, $value]) {
            $response = $response->withAddedHeader($name, $value);
        }
        return $response;
    }

    /**
     * @param array<string, list<string>> $headers
     * @return list<array{string, string}>
     */
    private static function fields(array $headers): array
    {
        $fields = [];
        foreach ($headers as $name => $values) {
            foreach ($values as $value) {
                $fields[] = [(string) $name, $value];
            }
        }
        return $fields;
    }
}
