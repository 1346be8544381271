<?php

declare(strict_types=1);

namespace MicroMint;

/** The current request of a script without a framework. charge() in functions.php is its entry. */
final class Page
{
    private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

    private bool $isSettled = false;
    private bool $isLast = false;

    /** @param ?callable(string): void $onEvent */
    private function __construct(
        private readonly Paywall $paywall,
        private readonly Decision $decision,
        private $onEvent,
    ) {
    }

    /**
     * Returns if the page is free or paid for; otherwise sends the response and ends the script.
     *
     * @param ?callable(string): void $onEvent
     * @param ?callable(int, string): void $log
     */
    public static function charge(Terms $terms, string $config, ?callable $onEvent, ?callable $log): void
    {
        try {
            $paywall = new Paywall($config, $log);
        } catch (MicroMintError $error) {
            if ($error->getCode() !== MicroMintError::FILE) {
                throw $error;
            }
            // As the paywall answers when its till cannot be written.
            error_log($error->getMessage());
            http_response_code(503);
            header('Retry-After: 10');
            header('MicroMint-Status: unavailable');
            header('Cache-Control: no-store');
            exit;
        }
        $headers = getallheaders();
        $request = new Request(
            $_SERVER['REQUEST_METHOD'],
            $_SERVER['REQUEST_URI'],
            $terms,
            array_map(null, array_map('strval', array_keys($headers)), array_values($headers)),
            $_SERVER['HTTP_HOST'] ?? null,
            !in_array(strtolower($_SERVER['HTTPS'] ?? ''), ['', 'off', '0'], true),
            is_numeric($_SERVER['SERVER_PORT'] ?? '') ? (int) $_SERVER['SERVER_PORT'] & 0xffff : 0,
            $_SERVER['REMOTE_ADDR'] ?? null,
        );
        $page = new self($paywall, $paywall->decide($request, self::readBody(...)), $onEvent);
        $request->close();
        if ($page->decision->serves()) {
            $page->serve();
        } else {
            $page->answer();
            exit;
        }
    }

    private static function readBody(int $most): ?string
    {
        $stream = fopen('php://input', 'rb');
        $body = stream_get_contents($stream, $most + 1);
        fclose($stream);
        return $body !== false && strlen($body) <= $most ? $body : null;
    }

    private function answer(): void
    {
        $status = $this->decision->status();
        // PHP would add a type of its own to a response that has none, such as 304.
        ini_set('default_mimetype', '');
        $this->changeHead($status, false);
        // The status last: a WWW-Authenticate header makes PHP send 401, and browsers ask for a password.
        http_response_code($status);
        if ($_SERVER['REQUEST_METHOD'] !== 'HEAD') {
            echo $this->decision->body();
        }
        $this->end($status, false);
    }

    private function serve(): void
    {
        foreach ($this->decision->hiddenHeaders() as $name) {
            $key = strtr(strtoupper($name), '-', '_');
            unset($_SERVER["HTTP_$key"], $_SERVER[$key]);
        }
        if ($this->decision->isAsGet()) {
            [$_SERVER['REQUEST_METHOD'], $_POST, $_FILES] = ['GET', [], []];
        }
        // Called before the head is sent, when the status is known.
        header_register_callback($this->settle(...));
        // Objects are destroyed before a script's last output is sent, so settle before that.
        register_shutdown_function($this->shutDown(...));
    }

    private function shutDown(): void
    {
        if (!$this->isLast) {
            // After the functions that the page has registered.
            $this->isLast = true;
            register_shutdown_function($this->shutDown(...));
            return;
        }
        $this->settle();
    }

    private function settle(): void
    {
        if ($this->isSettled) {
            return;
        }
        $this->isSettled = true;
        $status = http_response_code() ?: 200;
        // With display_errors PHP sends an uncaught exception as a success, and when memory is exhausted
        // even without calling this before.
        $hasFailed = $status < 400 && ((error_get_last()['type'] ?? 0) & self::FATAL);
        if ($hasFailed || $status < 100 || $status > 999) {
            $status = 500;
            if (!headers_sent()) {
                http_response_code($status);
            }
        }
        try {
            $isReversed = $this->paywall->finish($this->decision, $status);
            if (!headers_sent()) {
                $this->changeHead($status, $isReversed);
            }
            $this->end($status, $isReversed);
        } finally {
            $this->decision->close();
            $this->paywall->close();
        }
    }

    private function changeHead(int $status, bool $isReversed): void
    {
        $mine = array_map(fn (string $line) => array_map(trim(...), explode(':', $line, 2)), headers_list());
        [$removed, $added] = $this->decision->head($status, $isReversed, $mine);
        array_map(header_remove(...), $removed);
        foreach ($added as $field) {
            header(implode(': ', $field), false, $status);
        }
    }

    private function end(int $status, bool $isReversed): void
    {
        report($this->onEvent, $this->decision, $status, $isReversed);
        $this->decision->close();
        $this->paywall->close();
    }
}
