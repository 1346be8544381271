# frozen_string_literal: true

# The conformance application for Rack (tests/src/bindings.rs).

require "json"
require_relative "../lib/micromint"

LOG = ->(*words) { $stderr.write("#{words.join(" ")}\n") }
FIELD = ->(env, name) { env["HTTP_#{name.upcase.tr("-", "_")}"] }

terms = lambda do |env|
  number = lambda do |name|
    text = FIELD[env, name] || "0"
    Integer(text, 10, exception: false) || Float(text)
  end
  etag, modified, size = FIELD[env, "X-Case-File"].to_s.split
  MicroMint::Terms.new(
    price: number["X-Case-Price"], free_views: number["X-Case-Free-Views"],
    receipt_path: FIELD[env, "X-Case-Receipt-Path"], is_dry_run: FIELD[env, "X-Case-Dry-Run"] == "1",
    charges_redirects: FIELD[env, "X-Case-Redirects"] == "1",
    file: size && MicroMint::FileInfo.new(etag: etag, last_modified: Integer(modified), size: Integer(size))
  )
end

late = lambda do |what|
  Enumerator.new do |body|
    body << "first"
    raise "the page fails" if what == "fail-late"

    sleep 1
    body << "second"
  end
end

site = lambda do |env|
  what = FIELD[env, "X-Case-Content"] || "200"
  raise "the page fails" if what == "fail"

  size = 0
  buffer = +""
  size += buffer.bytesize while env["rack.input"].read(65_536, buffer)
  names = env.keys.grep(/\AHTTP_(?!VERSION\z)/).map { |name| name.delete_prefix("HTTP_") }
  names += %w[CONTENT_TYPE CONTENT_LENGTH].select { |name| env[name] }
  headers = Hash.new { |_, _| nil }
  JSON.parse(FIELD[env, "X-Case-Content-Headers"] || "[]").each do |name, value|
    headers[name] = headers[name] ? "#{headers[name]}\n#{value}" : value
  end
  headers["X-Seen"] = "#{env["REQUEST_METHOD"]} #{size} #{names.join(",").tr("_", "-")}"
  status = what.match?(/\A\d+\z/) ? what.to_i : 200
  next [status, headers, late[what]] unless what.match?(/\A\d+\z/)

  [status, headers, env["REQUEST_METHOD"] == "HEAD" || [204, 304].include?(status) ? [] : ["content"]]
end

# The log of requests, which fails for a page that costs seven coins.
event = lambda do |line|
  LOG[line]
  raise "the log fails" if line.include?(" price=7 ")
end

vendors = {}
mutex = Mutex.new
vendor = lambda do |name|
  mutex.synchronize do
    vendors[name] ||= begin
      config = "#{ENV.fetch("MICROMINT_CASES_FOLDER")}/#{name}/vendor.toml"
      paywall = MicroMint::Paywall.new(config, log: ->(_, line) { LOG[line] })
      MicroMint::Charge.new(site, paywall: paywall, prices: terms, on_event: event)
    end
  end
end
ENV.fetch("MICROMINT_CASE_OPENED", "").split.each(&vendor)

# What a server or a proxy in front would do.
run(lambda do |env|
  env["rack.url_scheme"] = FIELD[env, "X-Case-Https"] == "1" ? "https" : "http"
  env["REMOTE_ADDR"] = FIELD[env, "X-Case-Client"] if FIELD[env, "X-Case-Client"]
  vendor[FIELD[env, "X-Case-Vendor"]].call(env)
end)
