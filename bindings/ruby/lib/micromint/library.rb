# frozen_string_literal: true

require "fiddle"
require_relative "functions"

module MicroMint
  # An error of the library. `status` is one of MICROMINT_ERROR_*; the message says what was expected, what was found
  # and where.
  class Error < StandardError
    # The requested item does not exist.
    ABSENT = 9
    # Not possible in the present state of the object.
    STATE = 10

    attr_reader :status

    def initialize(status, message)
      super(message)
      @status = status
    end
  end

  # The C library through Fiddle. Every call lets other threads run.
  module Library
    # The minor version of the library, whose functions these are.
    MINOR = 1

    TYPES = {
      "v" => Fiddle::TYPE_VOID, "b" => -Fiddle::TYPE_CHAR, "i" => Fiddle::TYPE_INT, "I" => -Fiddle::TYPE_INT,
      "l" => Fiddle::TYPE_LONG_LONG, "L" => -Fiddle::TYPE_LONG_LONG, "z" => Fiddle::TYPE_SIZE_T,
      "d" => Fiddle::TYPE_DOUBLE, "s" => Fiddle::TYPE_VOIDP, "p" => Fiddle::TYPE_VOIDP
    }.freeze

    PATH = ENV.fetch("MICROMINT_LIBRARY", "libmicromint.so.0.#{MINOR}")
    OPENED = Fiddle.dlopen(PATH)
    CALLS = FUNCTIONS.to_h do |name, word|
      types = word.chars.map { |letter| TYPES.fetch(letter) }
      [name, Fiddle::Function.new(OPENED["micromint_#{name}"], types.drop(1), types.first, name: name.to_s)]
    end.freeze
    private_constant :OPENED, :CALLS

    module_function

    # Calls a function. A String is passed as bytes and length, true and false as 1 and 0.
    def plain(name, *arguments)
      given = arguments.flat_map do |argument|
        case argument
        when String then argument.empty? ? [nil, 0] : [argument, argument.bytesize]
        when true then [1]
        when false then [0]
        else [argument]
        end
      end
      result = CALLS.fetch(name).call(*given)
      case FUNCTIONS[name][0]
      when "b" then result != 0
      when "s" then result.to_s
      else result
      end
    end

    # Calls a function that returns a status, and raises its error.
    def call(name, *arguments)
      error = place
      status = plain(name, *arguments, error)
      return if status.zero?

      text, length, pointer = place, place, value(error)
      plain(:error_message, pointer, text, length)
      message = copied(value(text), value(length)).force_encoding(Encoding::UTF_8)
      plain(:error_free, pointer)
      raise Error.new(status, message)
    end

    # Memory for an output of eight bytes.
    def place
      place = Fiddle::Pointer.malloc(8, Fiddle::RUBY_FREE)
      place[0, 8] = "\0" * 8
      place
    end

    # The number or the address in an output.
    def value(place) = place[0, 8].unpack1("Q")

    def copied(address, length) = length.zero? ? +"" : Fiddle::Pointer.new(address)[0, length]

    # Calls a function whose last output is an object, and returns its address.
    def made(name, *arguments)
      output = place
      call(name, *arguments, output)
      value(output)
    end

    # Copies of byte sequences that a function lends.
    def texts(count, name, *arguments)
      places = Array.new(2 * count) { place }
      call(name, *arguments, *places)
      places.each_slice(2).map { |text, length| copied(value(text), value(length)) }
    end

    def lent(name, *arguments) = texts(1, name, *arguments).first

    # The bytes of the buffer that a function makes.
    def taken(name, *arguments) = take(made(name, *arguments))

    # The bytes of a buffer, which this frees.
    def take(buffer)
      return +"" if buffer.zero?

      bytes = copied(plain(:buffer_data, buffer).to_i, plain(:buffer_len, buffer))
      plain(:buffer_free, buffer)
      bytes
    end

    # Checks a number: Fiddle would wrap it around.
    def integer(what, number, least = 0, most = 0xffffffff)
      raise TypeError, "#{what}: expected an Integer, found #{number.inspect}" unless number.is_a?(Integer)
      raise RangeError, "#{what}: expected #{least} to #{most}, found #{number}" unless number.between?(least, most)

      number
    end

    # Checks a truth value: a text such as "no" must not count as true.
    def flag(what, value)
      return value if [true, false].include?(value)

      raise TypeError, "#{what}: expected true or false, found #{value.inspect}"
    end

    # Text as bytes, for C.
    def bytes(text) = String(text).b.freeze

    # Yields a host with a log for lines and levels, and what keeps its callback alive.
    def with_host(log)
      host = plain(:host_new)
      if log
        types = [Fiddle::TYPE_VOIDP, Fiddle::TYPE_INT, Fiddle::TYPE_VOIDP, Fiddle::TYPE_SIZE_T]
        callback = Fiddle::Closure::BlockCaller.new(Fiddle::TYPE_VOID, types) do |_, level, text, length|
          # An exception cannot pass through C.
          begin
            log.call(level, copied(text.to_i, length).force_encoding(Encoding::UTF_8))
          rescue StandardError => e
            warn(e.full_message)
          end
        end
        plain(:host_set_log, host, callback, nil)
      end
      yield host, callback
    ensure
      plain(:host_free, host)
    end
  end

  # An object of the library.
  class Handle
    State = Struct.new(:kind, :pointer, :uses, :mutex, :kept)
    private_constant :State

    def initialize(kind, pointer, kept = nil)
      @state = State.new(kind, pointer.to_i, 0, Mutex.new, kept)
      ObjectSpace.define_finalizer(self, Handle.releaser(@state))
    end

    # Calls the block with the pointer, which stays valid until it returns.
    def use
      state = @state
      pointer = state.mutex.synchronize do
        raise Error.new(Error::STATE, "the #{self.class.name} is closed") if state.pointer.nil?

        state.uses += 1
        state.pointer
      end
      begin
        yield pointer
      ensure
        last = state.mutex.synchronize { (state.uses -= 1).zero? && state.pointer.nil? }
        Library.plain(:"#{state.kind}_free", pointer) if last
      end
    end

    # Frees the object once no thread uses it. Later calls of its methods raise.
    def close
      state = @state
      pointer = state.mutex.synchronize do
        pointer, state.pointer = state.pointer, nil
        state.uses.zero? ? pointer : nil
      end
      ObjectSpace.undefine_finalizer(self)
      Library.plain(:"#{state.kind}_free", pointer) if pointer
      nil
    end

    # Before Ruby copies the finalizer.
    def dup = raise(TypeError, "a #{self.class.name} cannot be copied")
    def clone(*, **) = dup
    def marshal_dump = raise(TypeError, "a #{self.class.name} cannot be marshalled")

    # Frees an object that is collected. It refers to the state alone.
    def self.releaser(state)
      proc do
        pointer, state.pointer = state.pointer, nil
        Library.plain(:"#{state.kind}_free", pointer) if pointer
      end
    end
  end
end
