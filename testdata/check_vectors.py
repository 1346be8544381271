"""Computes every vector of this folder again, from docs/reference/ alone:
python3 testdata/check_vectors.py

A second implementation, in plain Python and its standard library, that shares no code with the
project. It hashes, derives vectors, mints, checks coins, reads and prints messages, makes
authenticators, and checks the signatures of bots. A third implementation can trust a vector on which these two agree. Exits with
status 1 if there is a difference.
"""

import base64
import datetime
import hashlib
import hmac
import ipaddress
import json
import re
import sys
import tomllib
import urllib.parse
from pathlib import Path

sys.dont_write_bytecode = True
import aes  # noqa: E402 (in this folder)
import des  # noqa: E402
import ed25519  # noqa: E402

HERE = Path(__file__).parent
INPUT_WIDTH = {"des": 56, "sha256": 60}


class Refused(Exception):
    """A text that is not a valid message."""


# Hash functions

def hash_des(iv, x):
    key = 0
    for i in range(8):
        key = key << 8 | (x >> (49 - 7 * i) & 0x7F) << 1
    return des.encrypt(key, iv)


def hash_sha256(iv, x):
    return leading(hashlib.sha256(iv.to_bytes(8, "big") + x.to_bytes(8, "big")))


def leading(digest):
    return int.from_bytes(digest.digest()[:8], "big")


HASHES = {"des": hash_des, "sha256": hash_sha256}


# Periods, vectors, coins

def money(text):
    """An amount such as "0.01 USD" in units of 10^-8."""
    match = re.fullmatch(r"(0|[1-9][0-9]*)(?:\.([0-9]{1,8}))? ([A-Z]{3})", text)
    need(match, "an amount of money")
    units = int(match[1]) * 10**8 + int((match[2] or "").ljust(8, "0"))
    need(units < 1 << 64, "an amount below 2^64 units")
    return units


class Period:
    def __init__(self, fields):
        number = lambda key: int(fields[key])
        self.name, self.hashfn, self.iv = fields["period"], fields["hashfn"], int(fields["iv"], 16)
        self.n, self.t, self.v = number("output-size"), number("num-fixed-bits"), number("subbin-size")
        self.b = number("input-size")
        self.u, self.k = self.n - self.t - self.v, int(fields.get("coin-size", 4))
        self.fixed_bits = int(fields["fixed-bits"], 16)
        consistent = (
            self.hashfn in HASHES and 1 <= self.b <= INPUT_WIDTH[self.hashfn]
            and 1 <= self.n <= 64 and 3 <= self.v <= 16 and 1 <= self.u <= 32 and 2 <= self.k <= 8
            and 1 << (self.u - 1) >= 4 * (self.k - 1) and self.fixed_bits < 1 << self.t
            and 1 <= money(fields["coin-value"]) <= 10**14)
        if not consistent:
            raise Refused("parameters that do not go together")

    def ball(self, x):
        """Returns (fixed bits, superbin, sub-bin) of the ball x."""
        y = HASHES[self.hashfn](self.iv, x) >> (64 - self.n)
        return y >> (self.u + self.v), y >> self.v & (1 << self.u) - 1, y & (1 << self.v) - 1

    def values(self, domain, identity, counter):
        for i in range(1, self.k):
            parts = [domain.encode(), self.name.encode(), identity.encode(), bytes([counter, i])]
            yield leading(hashlib.sha256(b"\0".join(parts)))

    def user_vector(self, user):
        for counter in range(256):
            d = [value % (1 << self.u) for value in self.values("micromint user", user, counter)]
            d = [d[0] | 1] + [value & ~1 for value in d[1:]]
            if len(set(walk(0, d, 1 << self.u))) == self.k:
                return counter, d
        raise ValueError("no user vector")

    def vendor_vector(self, vendor):
        return [value % (1 << self.v) for value in self.values("micromint vendor", vendor, 0)]

    def check(self, user, vendor, x):
        """The answer to the coins of a payment, with the checks in the order of
        docs/reference/protocol.md, and their first bins."""
        if any(value >> INPUT_WIDTH[self.hashfn] for value in x):
            return "out-of-range", []
        coins = [x[i:i + self.k] for i in range(0, len(x), self.k)]
        if any(len(set(coin)) < len(coin) for coin in coins):
            return "repeated-ball", []
        places = [[self.ball(value) for value in coin] for coin in coins]
        if any(ball[0] != self.fixed_bits for coin in places for ball in coin):
            return "fixed-bits", []
        _, d = self.user_vector(user)
        for coin in places:
            first = coin[0][1]
            if first % 2 or [ball[1] for ball in coin] != walk(first, d, 1 << self.u):
                return "user-differences", []
        e = self.vendor_vector(vendor)
        if any([ball[2] for ball in coin] != walk(coin[0][2], e, 1 << self.v) for coin in places):
            return "vendor-differences", []
        first_bins = [[coin[0][1], coin[0][2]] for coin in places]
        if len(set(map(tuple, first_bins))) < len(first_bins):
            return "repeated-coin", []
        return "accepted", first_bins


def walk(first, differences, modulus):
    places = [first]
    for difference in differences:
        places.append((places[-1] + difference) % modulus)
    return places


# Minting (docs/reference/minting.md)

WALKED = {"des": [55 - at for at in (5, 6, 9, 10, 37, 40, 43, 45)], "sha256": list(range(7, -1, -1))}


class Mint:
    """The permutation of a mint, and what it stores."""

    def __init__(self, period, input_key, walk):
        self.period, self.s, self.w = period, walk, INPUT_WIDTH[period.hashfn]
        # The bits of x, lowest first, that take the low s bits of a toss number, and the others.
        walked = WALKED[period.hashfn]
        self.low = sorted(walked[:walk] if period.hashfn == "des" else walked[-walk:])
        self.upper = [bit for bit in range(self.w) if bit not in self.low]
        text = b"\0".join([b"micromint permutation", period.name.encode(), period.iv.to_bytes(8, "big")])
        text += bytes([period.t]) + period.fixed_bits.to_bytes(8, "big") + bytes([walk])
        self.key = hmac.new(input_key, text, hashlib.sha256).digest()[:16]
        self.tag = hashlib.sha256(b"micromint permutation tag\0" + self.key).digest()[:16]

    def base(self, group):
        """The bits of x that all tosses of a group share."""
        half = (self.w - self.s) // 2
        mask = (1 << half) - 1
        left, right = group >> half, group & mask
        for number in range(6):
            left, right = right, left ^ self.round(number, right) & mask
        return spread(left << half | right, self.upper)

    def group(self, x):
        """The number of the group that x belongs to."""
        half = (self.w - self.s) // 2
        mask = (1 << half) - 1
        value = gather(x, self.upper)
        left, right = value >> half, value & mask
        for number in reversed(range(6)):
            left, right = right ^ self.round(number, left) & mask, left
        return left << half | right

    def round(self, number, half):
        return int.from_bytes(aes.encrypt(self.key, bytes([number]) + half.to_bytes(15, "big")), "big")

    def input(self, toss):
        return self.base(toss >> self.s) | spread(toss & (1 << self.s) - 1, self.low)

    def first_ball(self, base):
        """The first good ball of the group with this base and its place, or None."""
        for j in range(1 << min(self.s, self.period.b)):
            x = base | spread(j, self.low)
            fixed_bits, superbin, subbin = self.period.ball(x)
            if fixed_bits == self.period.fixed_bits:
                return x, (superbin, subbin)
        return None

    def balls(self):
        """What is stored in the end: x by superbin and sub-bin."""
        stored = {}
        for group in range(1 << max(0, self.period.b - self.s)):
            first = self.first_ball(self.base(group))
            if first:
                stored.setdefault(first[1], first[0])
        return stored


def spread(value, bits):
    """Bit i of the value at bit bits[i]."""
    return sum((value >> i & 1) << bit for i, bit in enumerate(bits))


def gather(x, bits):
    return sum((x >> bit & 1) << i for i, bit in enumerate(bits))


# Messages

def need(condition, why):
    if not condition:
        raise Refused(why)


def parse(text):
    """Returns (type, headers in order with lower-case names, data or None)."""
    need(all(byte < 128 for byte in text), "7-bit ASCII")
    lines = text.decode().split("\n")
    last = lines.pop()
    need(last in ("", "End-MicroMint"), "the last line is ended or is End-MicroMint")
    lines = [line.removesuffix("\r") for line in lines] + ([last] if last else [])
    need(len(lines) >= 3 and lines[0] == "MicroMint-1.0" and lines[-1] == "End-MicroMint", "first and last line")
    need(re.fullmatch("[A-Za-z0-9-]{1,64}", lines[1]), "a type")
    headers = {}
    for at, line in enumerate(lines[2:-1], 3):
        match = re.fullmatch("([A-Za-z0-9-]{1,64}):([ -~\t]*)", line)
        need(match, "a header")
        name, value = match[1].lower(), match[2].strip(" \t")
        need("\t" not in value and name not in headers and len(line) <= 8448, "one printable header")
        if name == "data-size":
            return lines[1], headers, parse_data(lines[at:-1], decimal(value))
        need(len(headers) < 64, "at most 64 headers")
        headers[name] = value
    return lines[1], headers, None


def parse_data(lines, size):
    need(all(1 <= len(line) <= 76 for line in lines), "lines of 1 to 76 characters")
    text = "".join(lines)
    need(re.fullmatch("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", text), "Base64 with padding")
    data = base64.b64decode(text)
    need(base64.b64encode(data).decode() == text, "padding bits are zero")
    need(len(data) == size, "Data-Size")
    return data


def decimal(text, largest=2**64 - 1):
    need(re.fullmatch("0|[1-9][0-9]*", text) and int(text) <= largest, "a canonical decimal")
    return int(text)


def print_message(message_type, headers, data):
    lines = ["MicroMint-1.0", message_type] + [f"{name}: {value}" for name, value in headers.items()]
    if data is not None:
        encoded = base64.b64encode(data).decode()
        lines += [f"Data-Size: {len(data)}"] + [encoded[i:i + 76] for i in range(0, len(encoded), 76)]
    return "".join(line + "\r\n" for line in lines + ["End-MicroMint"]).encode()


def is_vendor_id(text):
    if text.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1])}]" == text
        except ValueError:
            return False
    labels = text.split(".")
    label = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
    if len(text) > 253 or not all(re.fullmatch(label, part) for part in labels):
        return False
    if re.fullmatch("[0-9]+|0x[0-9a-f]*", labels[-1]):
        return bool(re.fullmatch(r"((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.|$)){4}", text))
    return True


def is_url(text):
    match = re.fullmatch(r"(https?)://([^/]*?)(?::([0-9]*))?(/[!-~]*)", text)
    if not match or len(text) > 8192 or "#" in text or not is_vendor_id(match[2]):
        return False
    scheme, port = match[1], match[3]
    if port is None:
        return True
    default = "443" if scheme == "https" else "80"
    return bool(re.fullmatch("[1-9][0-9]*", port)) and int(port) <= 65535 and port != default


FIELDS = {
    "url": is_url,
    "return-url": is_url,
    "user-id": lambda text: re.fullmatch("[a-z0-9._@+-]{1,40}", text),
    "vendor-id": is_vendor_id,
    "batch-id": lambda text: re.fullmatch("[A-Za-z0-9._-]{1,64}", text),
    "request-id": lambda text: re.fullmatch("[A-Za-z0-9._-]{1,64}", text),
    "watch-id": lambda text: re.fullmatch("[A-Za-z0-9._-]{1,64}", text),
    "nonce": lambda text: re.fullmatch("[A-Za-z0-9._-]{1,64}", text),
    "generation": lambda text: decimal(text, 2**32 - 1) >= 0,
    "held": lambda text: decimal(text, 2**31) >= 0,
    "from": lambda text: decimal(text, 2**31) >= 0,
    "owner-tokens": lambda text: owner_tokens(text),
    "blocked": lambda text: blocked_users(text),
    "authenticator": lambda text: re.fullmatch("[0-9A-Fa-f]{32}", text),
    "user-key": lambda text: re.fullmatch("[0-9A-Fa-f]{64}", text),
    "transaction-id": lambda text: decimal(text) >= 0,
    "period": lambda text: len(text.split(",")) <= 16
    and all(re.fullmatch("[a-z0-9-]{1,32}", name.strip()) for name in text.split(",")),
    "iv": lambda text: re.fullmatch("[0-9A-Fa-f]{16}", text),
    "coin-value": lambda text: all(money(value.strip()) >= 0 for value in text.split(",")),
    "description-utf-8": lambda text: len(from_percent(text).encode()) <= 256,
}
HEADERS = {
    "Funds-Withdrawn": ["user-id", "user-key", "period", "iv", "coin-value", "sets", "transaction-id"],
    "Request-Payment": ["url", "price", "vendor-id", "period", "broker", "coin-value"],
    "Payment": ["url", "user-id", "vendor-id", "period", "coins", "owner-tokens", "authenticator"],
    "Invalid-Payment": ["url", "reason", "price", "coins"],
    "Request-Redemption": ["vendor-id", "batch-id", "period", "payments", "authenticator"],
    "Redemption-Result": ["vendor-id", "batch-id", "accepted", "rejected", "authenticator"],
    "Send-Expired": ["user-id", "period", "return-url"],
    "Request-Credit": ["user-id", "period", "coins", "request-id", "authenticator"],
    "Funds-Credited": ["user-id", "period", "coins", "request-id", "transaction-id", "authenticator"],
    "Request-Owners": ["vendor-id", "period", "generation", "held", "nonce", "authenticator"],
    "Owners-Sold": ["vendor-id", "period", "generation", "from", "count", "nonce", "authenticator"],
    "Request-Watch": ["vendor-id", "period", "watch-id", "payments", "authenticator"],
    "Watch-Result": ["vendor-id", "period", "watch-id", "authenticator"],
}
OPTIONAL = {"Request-Payment": ["description-utf-8"], "Redemption-Result": ["blocked"], "Watch-Result": ["blocked"]}
WITHOUT_DATA = ("Request-Payment", "Send-Expired", "Request-Owners")


def from_percent(text):
    """A description in percent-encoded UTF-8."""
    need(re.fullmatch("([ -$&-~]|%[0-9A-Fa-f]{2})*", text), "percent-encoding")
    text = urllib.parse.unquote(text, errors="strict")
    is_printable = not re.search("[\\x00-\\x1f\\x7f-\\x9f\u2028-\u202e\u2066-\u2069]", text)
    need(is_printable, "a printable text")
    return text


def read(message_type, text):
    """Headers and data of a message of this type. Checks every header."""
    found, headers, data = parse(text)
    need(found == message_type, "another type")
    for name in HEADERS[message_type]:
        need(name in headers, name + " is missing")
        need(name not in FIELDS or FIELDS[name](headers[name]), name)
    for name in OPTIONAL.get(message_type, []):
        need(name not in headers or FIELDS[name](headers[name]), name)
    need((data is None) == (message_type in WITHOUT_DATA), "data")
    READERS[message_type](headers, data)
    return headers, data


def inputs(data):
    need(len(data) % 8 == 0, "whole inputs")
    return [int.from_bytes(data[i:i + 8], "big") for i in range(0, len(data), 8)]


def owner_tokens(text):
    """The tokens in a header, 1 to 256."""
    tokens = [token.strip(" \t") for token in text.split(",")]
    need(len(tokens) <= 256 and all(re.fullmatch("[0-9A-Fa-f]{16}", token) for token in tokens), "owner tokens")
    return [bytes.fromhex(token) for token in tokens]


def blocked_users(text):
    """The users in a header, 1 to 200."""
    users = [user.strip(" \t") for user in text.split(",")]
    need(len(users) <= 200 and all(FIELDS["user-id"](user) for user in users), "users")
    return users


def read_coins(headers, data):
    coins, x = decimal(headers["coins"], 500), inputs(data)
    need(coins and len(x) % coins == 0 and 2 <= len(x) // coins <= 8, "whole coins")


def items(headers, name):
    return [item.strip() for item in headers[name].split(",")]


def read_price(headers, _data):
    for price in items(headers, "price"):
        need(decimal(price, 500) >= 1, "a price")
    periods = len(items(headers, "period"))
    for name in ("price", "coin-value"):
        need(len(items(headers, name)) in (1, periods), "one item, or one for each period")


def read_invalid(headers, data):
    decimal(headers["price"], 500)
    if decimal(headers["coins"], 500) or data:
        read_coins(headers, data)


def read_sets(headers, data):
    period = Period(headers)
    sets = []
    for _ in range(decimal(headers["sets"], 10_000)):
        superbins = []
        for _ in range(period.k):
            need(len(data) >= 4, "a count")
            count, data = int.from_bytes(data[:4], "big"), data[4:]
            need(count <= 1 << period.v and len(data) >= 8 * count, "the balls")
            superbins.append(inputs(data[:8 * count]))
            data = data[8 * count:]
        sets.append(superbins)
    need(not data, "nothing after the sets")
    return sets


def read_records(headers, data):
    records = []
    while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4], "big"):
        size = int.from_bytes(data[:4], "big")
        records.append(data[4:4 + size])
        data = data[4 + size:]
    need(not data and len(records) == decimal(headers["payments"]), "the records")
    return records


def read_record(record):
    """(digest of the URL, User-ID, authenticator, tokens, coins, data) of a payment record."""
    need(len(record) >= 49, "a head")
    digest, authenticator, size, rest = record[:32], record[32:48], record[48], record[49:]
    user, rest = rest[:size].decode("ascii"), rest[size:]
    need(FIELDS["user-id"](user), "a User-ID")
    count, rest = int.from_bytes(rest[:2], "big"), rest[2:]
    need(1 <= count <= 256 and len(rest) >= 8 * count + 2, "the tokens")
    tokens, rest = [rest[8 * i:8 * i + 8] for i in range(count)], rest[8 * count:]
    coins, data = int.from_bytes(rest[:2], "big"), rest[2:]
    read_coins({"coins": str(coins)}, data)
    return digest, user, authenticator, tokens, coins, data


def read_tags(headers, data):
    count = decimal(headers["count"], 2**20)
    need(len(data) == 8 * count and decimal(headers["from"]) + count <= 2**31, "the tags")
    return [data[i:i + 8] for i in range(0, len(data), 8)]


VERDICTS = [0, 1, 16, *range(19, 24), *range(25, 29), 30, 31]


def read_verdicts(headers, data):
    need(all(byte in VERDICTS for byte in data), "verdicts")
    if "coins" in headers:
        need(decimal(headers["coins"]) == len(data), "a verdict a ball")
    elif "accepted" in headers:
        counts = sum(byte == 0 for byte in data), sum(16 <= byte <= 30 for byte in data)
        need(counts == (decimal(headers["accepted"]), decimal(headers["rejected"])), "counts")


READERS = {
    "Funds-Withdrawn": read_sets,
    "Request-Payment": read_price,
    "Payment": read_coins,
    "Invalid-Payment": read_invalid,
    "Request-Redemption": read_records,
    "Redemption-Result": read_verdicts,
    "Send-Expired": lambda headers, data: None,
    "Request-Credit": lambda headers, data: need(len(inputs(data)) == decimal(headers["coins"]), "coins"),
    "Funds-Credited": read_verdicts,
    "Request-Owners": lambda headers, data: None,
    "Owners-Sold": read_tags,
    "Request-Watch": read_records,
    "Watch-Result": read_verdicts,
}


# Authenticators

def mac(key, parts):
    return hmac.new(key, b"\0".join(parts), hashlib.sha256).digest()


def owner_token(user_key, vendor, first):
    return mac(user_key, [b"micromint vendor token", vendor.encode(), first.to_bytes(4, "big")])[:8]


def owner_tag(period, first, user, token):
    text = b"micromint owner\0" + period.encode() + b"\0" + first.to_bytes(4, "big") + user.encode() + b"\0" + token
    return hashlib.sha256(text).digest()[:8]


def payment_mac(user_key, vendor, digest, tokens, data):
    """The authenticator of a payment."""
    last = digest + len(tokens).to_bytes(2, "big") + b"".join(tokens) + data
    return mac(user_key, [b"micromint payment", vendor.encode(), last])[:16]


def credited_mac(user_key, headers, request_data, data):
    """The authenticator of the answer to a return."""
    digest = hashlib.sha256(request_data).digest()
    last = digest + decimal(headers["transaction-id"]).to_bytes(8, "big") + data
    return mac(user_key, [b"micromint credited", headers["request-id"].encode(), last])[:16]


def batch_mac(key, name, headers, batch_id, data):
    """The authenticator of a batch or a watch."""
    names = [headers["vendor-id"], headers["period"], batch_id]
    return mac(key, [name, *(text.encode() for text in names), data])[:16]


def redeemed_mac(vendor_key, headers, period, batch_data, data):
    """The authenticator of the answer to a batch of a period."""
    names = [headers["vendor-id"], period, headers["batch-id"], ",".join(blocked_users(headers["blocked"]))]
    last = hashlib.sha256(batch_data).digest() + data
    return mac(vendor_key, [b"micromint redeemed", *(name.encode() for name in names), last])[:16]


# The checks

def vectors(name):
    return json.loads((HERE / name).read_text())["vectors"]


def periods():
    found = [Period(tomllib.loads(path.read_text())) for path in sorted((HERE / "periods").glob("*.params"))]
    return {period.name: period for period in found}


def check_des(row):
    assert des.encrypt(int(row["key"], 16), int(row["plaintext"], 16)) == int(row["ciphertext"], 16)


def check_hash(row):
    x = int(row["x"], 16)
    assert HASHES[row["hashfn"]](int(row["iv"], 16), x) == int(row["output"], 16)
    assert x < 1 << INPUT_WIDTH[row["hashfn"]]


def check_identity(row):
    period = PERIODS[row["period"]]
    if row["kind"] == "user":
        assert FIELDS["user-id"](row["id"])
        assert period.user_vector(row["id"]) == (row["counter"], row["differences"])
        assert walk(row["first"], row["differences"], 1 << period.u) == row["superbins"]
    else:
        assert is_vendor_id(row["id"])
        assert period.vendor_vector(row["id"]) == row["differences"]
        assert walk(row["first"], row["differences"], 1 << period.v) == row["subbins"]


def check_coins(row):
    x = [int(value, 16) for value in row["x"]]
    answer = PERIODS[row["period"]].check(row["user"], row["vendor"], x)
    assert answer == (row["answer"], row["first-bins"]), answer


def check_authenticator(row):
    parts = [part.encode() for part in row["parts"]]
    if "data" in row:
        parts.append(bytes.fromhex(row["data"]))
    if "url" in row:
        tokens = [bytes.fromhex(token) for token in row["tokens"]]
        last = hashlib.sha256(row["url"].encode()).digest() + len(tokens).to_bytes(2, "big") + b"".join(tokens)
        assert parts[-1] == last + bytes.fromhex(row["coins"])
    assert mac(bytes.fromhex(row["secret"]), parts).hex()[:len(row["result"])] == row["result"]


def check_owner(row):
    parts = [b"micromint user key", row["period"].encode(), row["user"].encode()]
    key = mac(bytes(range(32)), parts)
    token = owner_token(key, row["vendor"], row["first"])
    assert (key.hex(), token.hex()) == (row["user-key"], row["token"])
    assert owner_tag(row["period"], row["first"], row["user"], token).hex() == row["tag"]


def check_message(row):
    text = (HERE / row["file"]).read_bytes()
    data = None if row["data"] is None else bytes.fromhex(row["data"])
    expected = dict(row["headers"])
    assert print_message(row["type"], expected, data) == text
    for variant in (text, text.replace(b"\r\n", b"\n"), text[:-2]):
        headers, found = read(row["type"], variant)
        assert found == data and headers == {name.lower(): value for name, value in expected.items()}
    check_meaning(row["type"], headers, data)


def check_meaning(message_type, headers, data):
    """Checks the contents of a valid message: its coins are valid, and its balls are in the right
    bins."""
    if message_type == "Payment":
        digest = hashlib.sha256(headers["url"].encode()).digest()
        tokens, authenticator = owner_tokens(headers["owner-tokens"]), bytes.fromhex(headers["authenticator"])
        check_payment(headers, digest, headers["user-id"], authenticator, tokens, data)
    if message_type == "Funds-Withdrawn":
        assert headers["user-key"] == USER_KEY.hex()
        check_sets(Period(headers), headers["user-id"], read_sets(headers, data))
    if message_type in ("Request-Redemption", "Request-Watch"):
        for record in read_records(headers, data):
            digest, user, authenticator, tokens, _, coins = read_record(record)
            check_payment(headers, digest, user, authenticator, tokens, coins)
    if message_type == "Request-Redemption":
        found = batch_mac(VENDOR_KEY, b"micromint redemption", headers, headers["batch-id"], data)
        assert found.hex() == headers["authenticator"]
    if message_type == "Request-Watch":
        found = batch_mac(SYNC_KEY, b"micromint watch", headers, headers["watch-id"], data)
        assert found.hex() == headers["authenticator"]
    if message_type == "Funds-Credited":
        request, sent = read("Request-Credit", (HERE / "messages/request-credit.txt").read_bytes())
        assert request["request-id"] == headers["request-id"]
        assert credited_mac(USER_KEY, headers, sent, data).hex() == headers["authenticator"]
    if message_type == "Redemption-Result":
        batch, sent = read("Request-Redemption", (HERE / "messages/request-redemption.txt").read_bytes())
        assert batch["batch-id"] == headers["batch-id"]
        expected = redeemed_mac(VENDOR_KEY, headers, batch["period"], sent, data)
        assert expected.hex() == headers["authenticator"]
    if message_type == "Owners-Sold":
        for at, tag in enumerate(read_tags(headers, data), decimal(headers["from"])):
            token = owner_token(USER_KEY, headers["vendor-id"], 2 * at)
            assert tag == owner_tag(headers["period"], 2 * at, "alice", token)


def check_payment(headers, digest, user, authenticator, tokens, data):
    """The coins of a payment are good, and its tokens and its authenticator are those of alice."""
    period, vendor = PERIODS[headers["period"]], headers["vendor-id"]
    answer, first_bins = period.check(user, vendor, inputs(data))
    assert answer == "accepted"
    firsts = list(dict.fromkeys(superbin for superbin, _ in first_bins))
    assert tokens == [owner_token(USER_KEY, vendor, first) for first in firsts]
    assert authenticator == payment_mac(USER_KEY, vendor, digest, tokens, data)


def check_sets(period, user, sets):
    _, d = period.user_vector(user)
    for superbins in sets:
        balls = [[period.ball(x) for x in superbin] for superbin in superbins]
        first = balls[0][0][1]
        assert first % 2 == 0 and all(ball[0] == period.fixed_bits for superbin in balls for ball in superbin)
        for superbin, place in zip(balls, walk(first, d, 1 << period.u)):
            subbins = [ball[2] for ball in superbin]
            assert all(ball[1] == place for ball in superbin) and subbins == sorted(set(subbins))


def check_refused(row):
    try:
        read(row["type"], row["text"].encode())
    except Refused:
        return
    raise AssertionError("expected a refusal")


def check_coin_file(row):
    content = (HERE / row["file"]).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (row["size"], row["sha256"])
    period = PERIODS[row["period"]]
    mint = Mint(period, bytes.fromhex(row["input-key"]), row["walk"])
    assert content[80:96] == mint.tag
    for superbin, subbin, word in bins(period, content):
        assert word >> 60 == (word != 0)
        if word:
            x = word & (1 << 60) - 1
            group = mint.group(x)
            assert group < 1 << (period.b - mint.s)
            assert mint.first_ball(mint.base(group)) == (x, (superbin, subbin))


def bins(period, content):
    """The bins of a coin file: superbin, sub-bin and 64 bits."""
    size = 64 + 8 * (1 << period.v)
    for superbin in range(1 << period.u):
        start = 4096 + size * superbin + 64
        for subbin in range(1 << period.v):
            yield superbin, subbin, int.from_bytes(content[start + 8 * subbin:start + 8 * subbin + 8], "little")


def check_minted(row):
    period = PERIODS[row["period"]]
    mint = Mint(period, bytes.fromhex(row["input-key"]), row["walk"])
    balls = mint.balls()
    digest = hashlib.sha256()
    for superbin in range(1 << period.u):
        for subbin in range(1 << period.v):
            digest.update(balls.get((superbin, subbin), 0).to_bytes(8, "big"))
    assert (len(balls), digest.hexdigest()) == (row["balls"], row["sha256"])
    for x in balls.values():
        assert mint.base(mint.group(x)) | spread(gather(x, mint.low), mint.low) == x


def check_permutation(row):
    mint = Mint(PERIODS[row["period"]], bytes.fromhex(row["input-key"]), row["walk"])
    assert mint.tag.hex() == row["tag"]
    assert mint.input(int(row["i"], 16)) == int(row["x"], 16)


# The scheme "Payment" (docs/draft-micromint-charge.md)

def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def from_base64url(text):
    need(re.fullmatch("[A-Za-z0-9_-]*", text), "base64url without padding")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value):
    """RFC 8785, restricted to what these vectors contain."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def charge_request(headers):
    prices, values = items(headers, "price"), items(headers, "coin-value")
    details = {"broker": headers["broker"], "coinValue": values[0], "url": headers["url"],
               "periods": items(headers, "period")}
    if len(prices) > 1 or len(values) > 1:
        count = len(details["periods"])
        details["amounts"] = prices if len(prices) > 1 else prices * count
        details["coinValues"] = values if len(values) > 1 else values * count
    units = money(values[0]) * int(prices[0])
    if units < 1 << 64:
        amount = f"{units // 10**8}.{units % 10**8:08}".rstrip("0").rstrip(".")
        details["money"] = {"amount": amount, "currency": values[0][-3:]}
    request = {"amount": prices[0], "currency": "coin", "recipient": headers["vendor-id"], "methodDetails": details}
    if "description" in headers:
        request["description"] = headers["description"]
    if "description-utf-8" in headers:
        request["description"] = from_percent(headers["description-utf-8"])
    return base64url(canonical(request))


def challenge_id(key, challenge):
    slots = [challenge.get(name, "") for name in ("realm", "method", "intent", "request", "expires", "digest", "opaque")]
    slots += [challenge["header"]] if "header" in challenge else []
    return base64url(hmac.new(key, "|".join(slots).encode(), hashlib.sha256).digest())


def payment_reference(headers, data):
    names = ["micromint reference", headers["vendor-id"], headers["url"], headers["period"], headers["user-id"]]
    text = b"".join(name.encode() + b"\0" for name in names)
    return hashlib.sha256(text + bytes.fromhex(headers["authenticator"]) + data).hexdigest()[:32]


def check_scheme(row):
    offer, _ = read("Request-Payment", row["request-payment"].encode())
    challenge = dict(row["challenge"])
    assert challenge["request"] == charge_request(offer)
    assert (challenge["realm"], challenge["method"], challenge["intent"]) == (offer["vendor-id"], "micromint", "charge")
    assert challenge["id"] == challenge_id(bytes.fromhex(row["key"]), challenge)
    order = ["id", "realm", "method", "intent", "expires", "digest", "description", "opaque", "header", "request"]
    line = ", ".join(f'{name}="{challenge[name]}"' for name in order if name in challenge)
    assert row["www-authenticate"] == "Payment " + line and len(line) < 8000
    message = row["payment"].encode()
    headers, data = read("Payment", message)
    credential = {"challenge": challenge, "payload": {"message": base64url(message)}}
    assert row["credential"] == "Payment " + base64url(canonical(credential))
    receipt = {"method": "micromint", "reference": payment_reference(headers, data), "status": "success",
               "timestamp": row["recorded-at"]}
    assert row["payment-receipt-without-challenge"] == base64url(canonical(receipt))
    assert row["payment-receipt"] == base64url(canonical(receipt | {"challengeId": challenge["id"]}))
    assert json.loads(from_base64url(row["payment-receipt"]))["reference"] == receipt["reference"]


# Signatures of bots (docs/reference/agents.md), in cases/bots.toml

BOT_NOW = int(datetime.datetime(2026, 12, 10, 12, tzinfo=datetime.timezone.utc).timestamp())
BOT_ORIGINS = {"news.example": "news.example", "www.news.example:8443": "www.news.example:8443"}


def bot_steps():
    """The steps with a signature: the case, the step and the time."""
    steps = []
    for case in tomllib.loads((HERE / "cases/bots.toml").read_text())["case"]:
        now = BOT_NOW
        for step in case["step"]:
            now += step.get("after", 0)
            if any(name == "Signature-Agent" for name, _ in step.get("headers", [])):
                steps.append({"case": case, "step": step, "now": now})
    return steps


def is_signed(case, step, now):
    fields = dict(step["headers"])
    settings = tomllib.loads(case["config"])
    agents = settings["bots"] if isinstance(settings["bots"], list) else [settings["bots"]]
    keys = {}
    for agent in tomllib.loads(case.get("bot-keys", "")).get("agent", []):
        for key in agent["keys"] if agent["url"] in agents else []:
            jwk = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % key
            keys[base64url(hashlib.sha256(jwk.encode()).digest())] = (key, agent["url"])
    match = re.fullmatch(r'sig1=\(([^)]*)\)((?:;[a-z]+=[^;]*)*)', fields.get("Signature-Input", ""))
    if not match:
        return False
    components = match[1].split(" ")
    params = dict(part.split("=", 1) for part in match[2][1:].split(";"))
    created, expires = int(params["created"]), int(params["expires"])
    key, agent = keys.get(params["keyid"].strip('"'), (None, None))
    target = step.get("target", "/story")
    values = {
        '"@authority"': BOT_ORIGINS.get(step.get("host", "news.example"), "news.example"),
        '"@method"': step.get("method", "GET"),
        '"@path"': target.split("?")[0],
        '"signature-agent"': fields["Signature-Agent"],
    }
    base = "".join(f"{name}: {values[name]}\n" for name in components)
    base += f'"@signature-params": ({match[1]}){match[2]}'
    signature = base64.b64decode(fields["Signature"][len("sig1=:"):-1])
    return (params["tag"] == '"web-bot-auth"' and '"@authority"' in components
            and '"signature-agent"' in components and created <= now + 60 and now < expires
            and expires - created <= 86400 and key is not None
            and fields["Signature-Agent"] == f'"{agent}"'
            and ed25519.verify(from_base64url(key), base.encode(), signature))


def check_bot(row):
    case, step = row["case"], row["step"]
    prices = {entry["path"]: entry for entry in tomllib.loads(case["prices"])["price"]}
    entry = prices.get(step.get("target", "/story"), prices.get("/{*rest}"))
    kind = "verified-bots" if is_signed(case, step, row["now"]) else "unknown-bots"
    price = entry.get(kind, entry["coins"])
    expect = step["expect"]
    assert (expect["status"] == 402) == (price > 0 and "payment" not in step), kind
    assert price == 0 or f"price={price} " in expect["event"], kind


PERIODS = periods()
USER_KEY = mac(bytes(range(32)), [b"micromint user key", b"2026-12", b"alice"])
VENDOR_KEY = mac(bytes(range(32)), [b"micromint vendor key", b"news.example"])
SYNC_KEY = mac(VENDOR_KEY, [b"micromint sync"])
# The fields of each type of record in a wallet: name and form. "time" is 8 bytes signed, "text" has a
# length of 2 bytes before it, "rest" has none, "hex" and "number" are as long as they say.
WALLET_RECORDS = {
    5: [("time", "time"), ("payment", 4), ("code", 1), ("word", "rest")],
    8: [("time", "time")],
    9: [("time", "time"), ("spendable", 1)],
    10: [("payment", 4), ("end", "time"), ("path", "text"), ("cookie", "rest")],
    11: [("time", "time"), ("holding", 4)],
    13: [("time", "time"), ("transaction", 8), ("sets", 4), ("period", "text"), ("login", "text"), ("page", "rest")],
    14: [("time", "time"), ("transaction", 8), ("refused", 1), ("reason", "rest")],
    15: [("time", "time"), ("step", 1), ("token", "hex")],
}


def check_wallet(row):
    payload = bytes([row["type"]])
    for name, form in WALLET_RECORDS[row["type"]]:
        value = row["fields"][name]
        if form == "time":
            payload += value.to_bytes(8, "little", signed=True)
        elif form == "text":
            payload += len(value.encode()).to_bytes(2, "little") + value.encode()
        elif form == "rest":
            payload += value.encode()
        elif form == "hex":
            payload += bytes.fromhex(value)
        else:
            number = int(value, 16) if isinstance(value, str) else value
            payload += number.to_bytes(form, "little")
    assert payload.hex() == row["payload"]


CHECKS = {
    "des.json": check_des,
    "hashes.json": check_hash,
    "identities.json": check_identity,
    "coins.json": check_coins,
    "authenticators.json": check_authenticator,
    "owners.json": check_owner,
    "messages.json": check_message,
    "refused-messages.json": check_refused,
    "permutation.json": check_permutation,
    "minted.json": check_minted,
    "coin-file.json": check_coin_file,
    "scheme.json": check_scheme,
    "wallet.json": check_wallet,
    "cases/bots.toml": check_bot,
}


def main():
    failures = 0
    for name, check in CHECKS.items():
        rows = bot_steps() if name == "cases/bots.toml" else vectors(name)
        for row in rows:
            try:
                check(row)
            except (AssertionError, Refused, ValueError, KeyError) as error:
                failures += 1
                print(f"{name}: {type(error).__name__} {error} in {row}", file=sys.stderr)
        print(f"{name}: {len(rows)} vectors")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
