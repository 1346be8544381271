"""AES-128 (FIPS 197) in plain Python, to check vectors: encrypt(key, block), both 16 bytes.

The S-box is computed from its definition (inverse in GF(2^8), then the affine map). Slow and obvious.
"""


def double(a):
    """a times x in GF(2^8)."""
    return (a << 1) ^ (0x11B if a & 0x80 else 0)


def multiply(a, b):
    result = 0
    while b:
        result ^= a if b & 1 else 0
        a, b = double(a), b >> 1
    return result


def substitute(a):
    inverse = next((b for b in range(256) if multiply(a, b) == 1), 0)
    rotated = [(inverse << i | inverse >> (8 - i)) & 0xFF for i in range(5)]
    return rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4] ^ 0x63


S_BOX = [substitute(a) for a in range(256)]


def round_keys(key):
    """The eleven round keys of 16 bytes."""
    words, constant = [list(key[i:i + 4]) for i in range(0, 16, 4)], 1
    while len(words) < 44:
        word = words[-1]
        if len(words) % 4 == 0:
            word = [S_BOX[byte] for byte in word[1:] + word[:1]]
            word[0] ^= constant
            constant = double(constant)
        words.append([a ^ b for a, b in zip(words[-4], word)])
    return [sum(words[i:i + 4], []) for i in range(0, 44, 4)]


def shift_rows(state):
    """Byte row + 4 * column comes from `row` columns further on."""
    return [state[(i + 4 * (i % 4)) % 16] for i in range(16)]


def mix_columns(state):
    mixed = []
    for i in range(0, 16, 4):
        a = state[i:i + 4]
        for row in range(4):
            b = a[row:] + a[:row]
            mixed.append(double(b[0]) ^ double(b[1]) ^ b[1] ^ b[2] ^ b[3])
    return mixed


def encrypt(key, block):
    keys = round_keys(key)
    state = [a ^ b for a, b in zip(block, keys[0])]
    for i in range(1, 11):
        state = shift_rows([S_BOX[byte] for byte in state])
        state = mix_columns(state) if i < 10 else state
        state = [a ^ b for a, b in zip(state, keys[i])]
    return bytes(state)


# FIPS 197, appendix C.1.
assert encrypt(bytes(range(16)), bytes(0x11 * i for i in range(16))).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
