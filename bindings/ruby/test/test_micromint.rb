# frozen_string_literal: true

# Tests of the gem: ruby -Ilib test/test_micromint.rb

require "fileutils"
require "tmpdir"
require "micromint"

TOML = File.read(File.join(__dir__, "../../../testdata/periods/2026-12.params"))
COIN = [0x892, 0x245, 0x1298, 0x78a].freeze
FAILURES = []

def check(what, found, expected)
  FAILURES << "#{what}: expected #{expected.inspect}, found #{found.inspect}" unless found == expected
end

def raises(what, error)
  yield
  FAILURES << "#{what}: expected #{error}"
rescue Exception => e # rubocop:disable Lint/RescueException
  FAILURES << "#{what}: expected #{error}, found #{e.full_message}" unless e.is_a?(error)
end

params = MicroMint::Params.new(TOML)
check("a good coin", params.check("news.example", "alice", COIN), 0)
check("of another user", params.check("news.example", "bob", COIN), 4)
check("a hash", params.hash(0x892), 0x881e58b86050a8bc)
check("k", params.coin_size, 4)
raises("x", RangeError) { params.hash(-1) }
raises("x", RangeError) { params.check("news.example", "alice", [1 << 64]) }
raises("dup", TypeError) { params.dup }
raises("clone", TypeError) { params.clone }
raises("marshal", TypeError) { Marshal.dump(params) }
check("still there", params.coin_size, 4)
2.times { params.close }
raises("closed", MicroMint::Error) { params.to_toml }
raises("no parameters", MicroMint::Error) { MicroMint::Params.new("period = 7") }

[1 << 32, -1, 1 << 64].each do |number|
  raises("price #{number}", RangeError) { MicroMint::Terms.new(price: number) }
  raises("views #{number}", RangeError) { MicroMint::Terms.new(free_views: number) }
end
[1.0, 1.5, Float::NAN, true, "1", nil, 1r].each do |value|
  raises("price #{value.inspect}", TypeError) { MicroMint::Terms.of(value) }
end
raises("a flag", TypeError) { MicroMint::Terms.new(is_dry_run: "no") }
check("absolute", MicroMint::Request.split_target("http://u:p@b.example:8000/a?b"), ["b.example:8000", "/a?b"])
check("no path", MicroMint::Request.split_target("http://b.example?x"), ["b.example", "/?x"])
check("no scheme", MicroMint::Request.split_target("/a://b"), [nil, "/a://b"])
check("no address", MicroMint::Request.address_of("/run/socket"), nil)

Dir.mktmpdir do |folder|
  FileUtils.mkdir(File.join(folder, "periods"))
  toml = TOML.sub(/^start = "\d+/, 'start = "2020').sub(/^expiration = "\d+/, 'expiration = "2031')
  File.write(File.join(folder, "periods/2026-12.params"), toml.sub(/^redeem-until = "\d+/, 'redeem-until = "2032'))
  config = File.join(folder, "vendor.toml")
  File.write(config, <<~TOML)
    vendor-id = "news.example"
    origins = ["http://news.example"]
    periods = "periods"
    till = "till"
  TOML
  lines = []
  paywall = MicroMint::Paywall.new(config, log: ->(level, line) { lines << [level, line] })
  request = MicroMint::Request.new("GET", "/story", MicroMint::Terms.of(2), is_https: false)
  decision = paywall.decide(request) { nil }
  check("status", decision.status, 402)
  fields = decision.head(402, false, []).last.to_h
  wanted = MicroMint::Message.from_header(fields["MicroMint-Request"])
  check("type", wanted.type, "Request-Payment")
  check("price", wanted.header("Price"), "2")
  check("no header", wanted.header("Nothing"), nil)
  challenge = MicroMint::Challenge.new(fields["WWW-Authenticate"])
  check("request", challenge.request.to_bytes, wanted.to_bytes)
  check("not ended", challenge.ended?, false)
  check("ended", challenge.ended?(1 << 40), true)
  raises("no payment", MicroMint::Error) { challenge.answer("nonsense") }
  check("a warning", lines.any? { |level, _| level == 2 }, true)

  # Routers decode paths, and so does the table of prices.
  prices = { "/story" => 1, "/caf\u00e9" => 1, "/100%" => 1, "/free" => 0, "/none" => nil }
  charge = MicroMint::Charge.new(->(_) { [200, {}, ["content"]] }, paywall: paywall, prices: prices)
  status = lambda do |path|
    env = { "REQUEST_METHOD" => "GET", "PATH_INFO" => path.b, "SCRIPT_NAME" => "", "rack.url_scheme" => "http" }
    charge.call(env).first
  end
  %w[/story /%73tory /stor%79 /caf%C3%A9 /caf%c3%a9 /100%25].each { |path| check(path, status[path], 402) }
  check("free", status["/fr%65e"], 200)
  check("no price", status["/other"], 200)
  raises("a price that is nil", TypeError) { status["/n%6fne"] }

  # A handle is freed when no thread uses it.
  threads = Array.new(4) do
    Thread.new do
      loop do
        mine = MicroMint::Request.new("GET", "/story", MicroMint::Terms.of(1))
        paywall.decide(mine) { nil }.close
        mine.close
      rescue MicroMint::Error => e
        break e.message
      end
    end
  end
  sleep 0.2
  paywall.close
  check("closed", threads.map(&:value).uniq, ["the MicroMint::Paywall is closed"])
end

puts(FAILURES.empty? ? "ok" : FAILURES)
exit(FAILURES.empty?)
