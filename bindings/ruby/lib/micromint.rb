# frozen_string_literal: true

# MicroMint: check coins, and sell pages for coins.
#
#     paywall = MicroMint::Paywall.new("/etc/micromint/vendor.toml")
#     use MicroMint::Charge, paywall: paywall, prices: { "/story" => 1 }
#
# An object is freed by `close` or when it is garbage-collected, and it cannot be copied. Errors raise
# MicroMint::Error; a number that is out of range raises RangeError, and anything but an Integer TypeError. A refusal,
# for example of a spent coin, is a result and raises nothing. Threads can share every object but a Request.
module MicroMint
end

require_relative "micromint/library"
require_relative "micromint/messages"
require_relative "micromint/paywall"
require_relative "micromint/charge"
