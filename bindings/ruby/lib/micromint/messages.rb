# frozen_string_literal: true

module MicroMint
  # The public parameters of a period, which check coins.
  class Params < Handle
    # Reads the text of a PERIOD.params file.
    def initialize(toml)
      super("params", Library.made(:params_from_toml, Library.bytes(toml)))
    end

    # The text of a PERIOD.params file.
    def to_toml = use { |it| Library.taken(:params_to_toml, it) }.force_encoding(Encoding::UTF_8)

    # k, the number of balls in a coin.
    def coin_size = use { |it| Library.plain(:params_coin_size, it) }

    # Checks coins of a user for a vendor: k inputs per coin, one coin after the other. Returns 0 if they are good,
    # otherwise one of MICROMINT_COIN_*. Does not check whether they were spent before.
    def check(vendor, user, inputs)
      packed = inputs.map { |x| Library.integer("x", x, 0, (1 << 64) - 1) }.pack("Q*")
      checker = Handle.new("checker", use { |it| Library.made(:checker_new, it, Library.bytes(vendor)) })
      fault = Library.place
      checker.use do |it|
        pointer = Fiddle::Pointer[packed]
        Library.call(:checker_check, it, Library.bytes(user), pointer, inputs.length, fault, nil)
      end
      fault[0, 4].unpack1("l")
    ensure
      checker&.close
    end

    # The 64-bit hash of an input.
    def hash(input)
      output = Library.place
      use { |it| Library.call(:hash, it, Library.integer("x", input, 0, (1 << 64) - 1), output) }
      Library.value(output)
    end
  end

  # A message of one of the types of docs/reference/protocol.md, with every field well formed.
  class Message < Handle
    # Parses a message.
    def initialize(message)
      super("message", message.is_a?(Integer) ? message : Library.made(:message_parse, Library.bytes(message)))
    end

    # The Request-Payment in the value of a header field MicroMint-Request.
    def self.from_header(value) = new(Library.made(:message_from_header, Library.bytes(value)))

    # The type, such as "Payment".
    def type = use { |it| Library.lent(:message_type, it) }.force_encoding(Encoding::UTF_8)

    # The value of a header such as "User-ID"; nil if this type has no such header.
    def header(name)
      use { |it| Library.lent(:message_header, it, Library.bytes(name)) }.force_encoding(Encoding::UTF_8)
    rescue Error => e
      raise unless e.status == Error::ABSENT
    end

    # The decoded data; empty for a type without.
    def data = use { |it| Library.lent(:message_data, it) }

    # The message in its canonical form.
    def to_bytes = use { |it| Library.taken(:message_print, it) }

    # The value of a header field: for a Payment that of MicroMint-Payment.
    def to_header = use { |it| Library.taken(:message_to_header, it) }
  end

  # A challenge of the scheme "Payment" that coins can answer.
  class Challenge < Handle
    # Parses the first such challenge in the value of a header field WWW-Authenticate; raises an error with the status
    # ABSENT if there is none.
    def initialize(value)
      super("challenge", Library.made(:challenge_parse, Library.bytes(value)))
    end

    # The Request-Payment that it contains.
    def request = Message.new(use { |it| Library.made(:challenge_request, it) })

    # Whether it has expired at a time, in seconds since 1970-01-01 00:00 UTC.
    def ended?(now = Time.now.to_i)
      at = Library.integer("now", now, -(1 << 63), (1 << 63) - 1)
      use { |it| Library.plain(:challenge_has_ended, it, at) }
    end

    # The header field, name and value, that answers it with a Payment message.
    def answer(payment)
      places = Array.new(3) { Library.place }
      use { |it| Library.call(:challenge_answer, it, Library.bytes(payment), *places) }
      name, length, buffer = places.map { |place| Library.value(place) }
      [Library.copied(name, length), Library.take(buffer)]
    end
  end
end
