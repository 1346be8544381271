# frozen_string_literal: true

require "stringio"

module MicroMint
  # Asks for coins for pages of a Rack application (Rack 2 and 3). Put it outermost: it must see the response that is
  # sent. A body is read only as far as the paywall needs it, at most 60 KiB and a byte.
  class Charge
    FAILED = "Internal Server Error\n"

    # `prices` maps decoded paths (SCRIPT_NAME and PATH_INFO) to prices in coins or Terms, or is called with env. If the
    # application serves a page under several paths, use a function: a path without a price is free. `on_event` is
    # called with a log line for every request, `on_error` with an exception that this class answers, or that on_event
    # raises.
    def initialize(app, paywall:, prices:, on_event: nil, on_error: nil)
      @app = app
      @paywall = paywall
      @prices = prices
      @on_event = on_event
      @on_error = on_error
    end

    def call(env)
      terms = Terms.of(price_of(env))
      request = request_of(env, terms)
      decision = @paywall.decide(request) { |most| read_body(env, most) }
      decision.serves? ? serve(env, decision) : answer(env, decision)
    ensure
      request&.close
      decision&.close
    end

    private

    def price_of(env)
      return @prices.call(env) if @prices.respond_to?(:call)

      path = "#{env["SCRIPT_NAME"]}#{env["PATH_INFO"]}"
      @prices.fetch(decoded(path)) { @prices.fetch(path, 0) }
    end

    # Routers decode paths: /%73tory is /story.
    def decoded(path)
      path.b.gsub(/%\h\h/n) { |code| code[1, 2].hex.chr }.force_encoding(Encoding::UTF_8)
    end

    def request_of(env, terms)
      headers = env.filter_map do |name, value|
        [name.delete_prefix("HTTP_").tr("_", "-"), value] if name.start_with?("HTTP_") && value.is_a?(String)
      end
      %w[CONTENT_TYPE CONTENT_LENGTH].each { |name| headers << [name.tr("_", "-"), env[name]] if env[name] }
      # SERVER_PORT is no port of a connection: servers make it of the Host field.
      Request.new(
        env["REQUEST_METHOD"], target_of(env), terms,
        headers: headers, host: env["HTTP_HOST"], is_https: env["rack.url_scheme"] == "https",
        client: env["REMOTE_ADDR"]
      )
    end

    # The request target as received; if the server does not provide it, path and query.
    def target_of(env)
      return env["REQUEST_URI"] if env["REQUEST_URI"]

      path = "#{env["SCRIPT_NAME"]}#{env["PATH_INFO"]}"
      env["QUERY_STRING"].to_s.empty? ? path : "#{path}?#{env["QUERY_STRING"]}"
    end

    # Reads a body of at most this many bytes; nil if it is longer. The application can read it again.
    def read_body(env, most)
      input = env["rack.input"]
      return "" unless input
      return if env["CONTENT_LENGTH"].to_i > most

      start = +""
      while start.bytesize <= most && (piece = input.read(most + 1 - start.bytesize))
        start << piece
      end
      if input.respond_to?(:rewind)
        input.rewind
      else
        env["rack.input"] = Joined.new(start, input)
      end
      start if start.bytesize <= most
    end

    def answer(env, decision)
      status, body = decision.status, decision.body
      headers = changed({}, decision.head(status, false, []))
      headers[name_of("Content-Length")] = body.bytesize.to_s unless [204, 304].include?(status)
      report(decision, status, false)
      [status, headers, env["REQUEST_METHOD"] == "HEAD" ? [] : [body]]
    end

    def serve(env, decision)
      hide(env, decision)
      begin
        status, headers, body = @app.call(env)
        number = number_of(status, headers, env)
        body_of(body)
      rescue Exception => e # rubocop:disable Lint/RescueException -- the payment is settled whatever happens
        return failed(env, decision, e)
      end
      begin
        is_reversed = @paywall.finish(decision, number)
        headers = changed(headers, decision.head(number, is_reversed, pairs_of(headers)))
      rescue StandardError
        body.close if body.respond_to?(:close)
        raise
      end
      report(decision, number, is_reversed)
      [status, headers, body]
    end

    # The status to report. A server may know other numbers for a connection that the application took over; that is
    # charged. Any other one cannot be sent.
    def number_of(status, headers, env)
      number = status.to_s.match?(/\A\d{3}\z/) ? status.to_i : 0
      return number if number >= 100
      return 200 if status == -1 || env["rack.hijack_io"] || headers.to_h["rack.hijack"]

      raise ArgumentError, "status: expected a number from 100 to 999, found #{status.inspect}"
    end

    def body_of(body)
      return if %i[each call to_path].any? { |name| body.respond_to?(name) }

      raise TypeError, "expected a body that responds to each or call, found #{body.class}"
    end

    # The application failed. If a payment is reversed, the client must be told; otherwise whoever handles errors may
    # answer.
    def failed(env, decision, error)
      is_reversed = @paywall.finish(decision, 500)
      report(decision, 500, is_reversed)
      raise error if !is_reversed || !error.is_a?(StandardError)

      show(error, env["rack.errors"])
      headers = { name_of("Content-Type") => "text/plain", name_of("Content-Length") => FAILED.bytesize.to_s }
      [500, changed(headers, decision.head(500, true, pairs_of(headers))), [FAILED]]
    end

    # Makes the request that the content sees.
    def hide(env, decision)
      decision.hidden_headers.each do |name|
        key = name.upcase.tr("-", "_")
        env.delete("HTTP_#{key}")
        env.delete(key) if %w[CONTENT_TYPE CONTENT_LENGTH].include?(key)
      end
      return unless decision.as_get?

      env["REQUEST_METHOD"] = "GET"
      env["rack.input"] = StringIO.new(+"".b)
    end

    # What is settled must be sent, whatever becomes of the line.
    def report(decision, status, is_reversed)
      @on_event&.call(decision.event(status, is_reversed))
    rescue StandardError => e
      show(e, $stderr)
    end

    def show(error, stream)
      @on_error ? @on_error.call(error) : stream&.puts(error.full_message(highlight: false))
    end

    # The fields of a response as pairs. Rack 3 repeats a field with an Array, Rack 2 with lines.
    def pairs_of(headers)
      headers.to_h.flat_map do |name, value|
        next [] if name.start_with?("rack.")

        (value.is_a?(Array) ? value : value.to_s.split("\n")).map { |one| [name, one.to_s] }
      end
    end

    def changed(headers, (removed, added))
      out = removed.map(&:downcase)
      result = headers.to_h.reject { |name, _| out.include?(name.downcase) }
      added.each do |name, value|
        key = result.keys.find { |known| known.casecmp?(name) } || name_of(name)
        values = (result[key].is_a?(Array) ? result[key] : result[key].to_s.split("\n")) << value
        result[key] = if values.one? then value else rack3? ? values : values.join("\n") end
      end
      result
    end

    def name_of(name) = rack3? ? name.downcase : name

    def rack3? = defined?(::Rack.release) && ::Rack.release.to_i >= 3

    # The start of a body that was read, then the rest of the stream.
    class Joined
      def initialize(start, rest)
        @start = StringIO.new(start)
        @rest = rest
      end

      def read(length = nil, buffer = nil)
        piece = length.nil? ? @start.read + @rest.read.to_s : @start.read(length) || @rest.read(length)
        buffer ? buffer.replace(piece.to_s) && (piece && buffer) : piece
      end

      def gets
        line = +""
        while (byte = read(1))
          line << byte
          return line if byte == "\n"
        end
        line.empty? ? nil : line
      end

      def each
        while (line = gets)
          yield line
        end
      end

      def close = @rest.respond_to?(:close) ? @rest.close : nil
    end
    private_constant :Joined
  end
end
