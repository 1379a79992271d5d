"""Changes of bytes, as a bad disk or a hostile author would make them."""


def flip_bits(rng, content):
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def cut(rng, content):
    return content[: rng.randrange(len(content))]


def drop(rng, content):
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.choice([1, 2, 4, 100]) :]


def insert(rng, content):
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(rng.choice([1, 2, 4, 100])) + content[place:]


def repeat(rng, content):
    start, place = (rng.randrange(len(content)) for _ in range(2))
    return content[:place] + content[start : start + rng.choice([1, 9, 99, 999])] + content[place:]


def overwrite(rng, content):
    place, n = rng.randrange(len(content)), rng.choice([1, 2, 4, 8, 64])
    filling = rng.choice([bytes(n), b"\xff" * n, rng.randbytes(n), b"9" * n, b"," * n])
    return content[:place] + filling + content[place + n :]


def mutate(rng, content):
    return rng.choice([flip_bits, flip_bits, cut, drop, insert, repeat, overwrite])(rng, content)


def mutate_end(rng, content, n=1500):
    return content[:-n] + mutate(rng, content[-n:])
