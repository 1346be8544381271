# frozen_string_literal: true

Gem::Specification.new do |gem|
  gem.name = "micromint"
  gem.version = "0.1.0"
  gem.summary = "Sell web pages for coins: MicroMint for Ruby, with Rack"
  gem.description = "Charges coins for the pages of a Rack application, such as one of Rails or Sinatra. " \
                    "Uses the installed C library libmicromint."
  gem.authors = ["The MicroMint authors"]
  gem.licenses = ["MIT", "Apache-2.0"]
  gem.files = Dir["lib/**/*.rb"]
  gem.required_ruby_version = ">= 3.1"
  # Part of Ruby before 3.5.
  gem.add_dependency "fiddle", ">= 1.1"
end
