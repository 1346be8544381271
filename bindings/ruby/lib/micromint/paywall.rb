# frozen_string_literal: true

require "ipaddr"

module MicroMint
  # What is known of a file that is sent unchanged: its entity tag with quotes, Last-Modified in seconds since
  # 1970-01-01 00:00 UTC, and its size in bytes if ranges are served. Conditions and ranges of the request are then
  # decided before a payment is recorded.
  FileInfo = Struct.new(:etag, :last_modified, :size, keyword_init: true)

  # What a page costs.
  class Terms
    attr_reader :price, :free_views, :receipt_path, :is_dry_run, :charges_redirects, :file

    # price is in coins, 0 is free. free_views is how many pages a visitor sees per UTC day without paying. A receipt
    # opens everything with the same receipt_path; without it, this page alone. is_dry_run: decide everything, record
    # nothing, and serve the content free. charges_redirects: a redirect by the content is what is sold.
    def initialize(price: 0, free_views: 0, receipt_path: nil, is_dry_run: false, charges_redirects: false, file: nil)
      @price = Library.integer("price", price)
      @free_views = Library.integer("free_views", free_views)
      @receipt_path = receipt_path
      @is_dry_run = Library.flag("is_dry_run", is_dry_run)
      @charges_redirects = Library.flag("charges_redirects", charges_redirects)
      @file = file
      freeze
    end

    # Terms, or a price in coins.
    def self.of(price) = price.is_a?(Terms) ? price : new(price: price)
  end

  # A request to a page, whose body was not read yet. One thread at a time.
  class Request < Handle
    # `target` is path and query as received, or with scheme and authority before them; `headers` are pairs; `host` is
    # the Host field; `port` is the port at which the connection was accepted, 0 if it is not known; `client` is the
    # client's address, and anything but an IP address is unknown.
    def initialize(method, target, terms, headers: [], host: nil, is_https: true, port: 0, client: nil)
      super("request", Library.plain(:request_new))
      authority, local = Request.split_target(target)
      set(:method, Library.bytes(method))
      set(:target, Library.bytes(local))
      set(:host, Library.bytes(authority || host)) if authority || host
      use { |it| headers.each { |name, value| Library.plain(:request_add_header, it, Library.bytes(name), Library.bytes(value)) } }
      set(:https, Library.flag("is_https", is_https))
      set(:port, Library.integer("port", port, 0, 65_535))
      set(:price, terms.price)
      set(:free_views, terms.free_views)
      set(:dry_run, terms.is_dry_run)
      set(:charges_redirects, terms.charges_redirects)
      set(:receipt_path, Library.bytes(terms.receipt_path)) if terms.receipt_path
      address = Request.address_of(client)
      set(:client, address) if address
      fill(terms.file) if terms.file
    end

    # The whole body was read.
    def body=(body)
      set(:body, Library.bytes(body))
    end

    # The authority of a target in absolute form, and path and query.
    def self.split_target(target)
      parts = %r{\A[A-Za-z0-9]+://(?:[^/?#]*@)?([^/?#@]*)(.*)\z}mn.match(target.b)
      return [nil, target] unless parts

      [parts[1], parts[2].start_with?("/") ? parts[2] : "/#{parts[2]}"]
    end

    # The client's IP address without the zone; nil for anything else.
    def self.address_of(client)
      IPAddr.new(client.to_s.partition("%").first).to_s
    rescue IPAddr::Error
      nil
    end

    private

    def set(name, value) = use { |it| Library.plain(:"request_set_#{name}", it, value) }

    def fill(file)
      most = (1 << 63) - 1
      set(:file, true)
      set(:etag, Library.bytes(file.etag)) if file.etag
      set(:last_modified, Library.integer("last_modified", file.last_modified, -most, most)) if file.last_modified
      set(:size, Library.integer("size", file.size, 0, most)) if file.size
    end
  end

  # What to do with a request. If it `serves`, remove the `hidden_headers` from the request, make the content, pass the
  # status of its response to Paywall#finish, and change its `head` as it says. Otherwise respond with `status`, `head`
  # and `body`.
  class Decision < Handle
    # Request fields that the content must not see if a decision ignores conditions.
    CONDITIONS = %w[if-match if-none-match if-modified-since if-unmodified-since].freeze
    # Request fields that the content must not see if a decision is as_get.
    BODY_FIELDS = %w[content-length content-type content-encoding transfer-encoding expect].freeze

    def initialize(pointer) = super("decision", pointer)

    # Whether to serve the content.
    def serves? = use { |it| Library.plain(:decision_serves, it) }

    # The status of the answer; 0 if the content is served.
    def status = use { |it| Library.plain(:decision_status, it) }

    # The body of the answer.
    def body = use { |it| Library.lent(:decision_body, it) }

    # A word for logs: unpaid, paid, receipt, retry, spent and others.
    def outcome = use { |it| Library.lent(:decision_outcome, it) }

    # The User-ID of the payer; empty if there is none.
    def user = use { |it| Library.lent(:decision_user, it) }

    # How many coins this request spent.
    def coins = use { |it| Library.plain(:decision_coins, it) }

    # Serve as a GET without a body: the request was a payment in a POST.
    def as_get? = use { |it| Library.plain(:decision_is_as_get, it) }

    # Send the whole content even if the client has a fresh copy.
    def ignores_conditions? = use { |it| Library.plain(:decision_ignores_conditions, it) }

    # The names, in lower case, of all request fields that the content must not see.
    def hidden_headers
      names = use do |it|
        Array.new(Library.plain(:decision_strip_header_count, it)) { |i| Library.lent(:decision_strip_header, it, i) }
      end
      names += CONDITIONS if ignores_conditions?
      names += BODY_FIELDS if as_get?
      names.map(&:downcase).uniq
    end

    # What to change in the header fields (pairs) of a response: names to remove, then pairs to add.
    def head(status, is_reversed, headers)
      fields = Handle.new("fields", Library.plain(:fields_new))
      fields.use { |it| headers.each { |name, value| Library.plain(:fields_add, it, Library.bytes(name), Library.bytes(value)) } }
      number = Library.integer("status", status, 0, 999)
      pointer = use { |it| fields.use { |those| Library.made(:decision_head, it, number, is_reversed, those) } }
      head = Handle.new("head", pointer)
      head.use do |it|
        removed = Array.new(Library.plain(:head_remove_count, it)) { |i| Library.lent(:head_remove, it, i) }
        added = Array.new(Library.plain(:head_add_count, it)) { |i| Library.texts(2, :head_add, it, i) }
        [removed, added]
      end
    ensure
      fields&.close
      head&.close
    end

    # A log line about the request, such as "micromint paid status=200 price=1 coins=1 user=alice".
    def event(status, is_reversed = false)
      number = Library.integer("status", status, 0, 999)
      use { |it| Library.taken(:decision_event, it, number, is_reversed, false) }.force_encoding(Encoding::UTF_8)
    end
  end

  # Decides about requests for a vendor's pages. Processes that are forked later open the till again.
  class Paywall < Handle
    NEEDS_BODY = 1
    private_constant :NEEDS_BODY

    # Opens the paywall of a configuration file (docs/reference/vendor.md), and creates its till and the secret of
    # receipts if they do not exist. `log` is called with a level (1 error, 2 warning, 3 information) and a line.
    def initialize(config, log: nil)
      path = Library.bytes(config)
      Library.with_host(log) do |host, callback|
        Library.call(:paywall_prepare, path, host)
        super("paywall", Library.made(:paywall_open, path, host), callback)
      end
    end

    # Decides about a request. An accepted payment is recorded. The block is called if the body is needed: it reads one
    # of at most this many bytes, and returns nil if it is longer.
    def decide(request)
      places = Array.new(3) { Library.place }
      use { |it| request.use { |that| Library.call(:paywall_look, it, that, *places) } }
      look, most, decision = places
      return Decision.new(Library.value(decision)) unless Library.value(decision).zero?

      if look[0, 4].unpack1("l") == NEEDS_BODY
        body = yield(Library.value(most))
        request.body = body if body
      end
      decided(:paywall_decide, request)
    end

    # The answer that a client without a payment gets, for a page that tells what another one costs.
    def price_tag(request) = decided(:paywall_price_tag, request)

    # Reports the status of the content's response, before it is sent. If it is not a success, the payment is reversed:
    # then this returns true.
    def finish(decision, status)
      is_reversed = Library.place
      number = Library.integer("status", status, 100, 999)
      use { |it| decision.use { |that| Library.call(:paywall_finish, it, that, number, is_reversed) } }
      is_reversed[0, 1].unpack1("C") != 0
    end

    # The counters of this process in the text format of Prometheus.
    def metrics = use { |it| Library.taken(:paywall_metrics, it) }

    private

    def decided(name, request)
      Decision.new(use { |it| request.use { |that| Library.made(name, it, that) } })
    end
  end
end
