#!/usr/bin/env python3
"""Writes the golden vectors beside itself, from FORMAT.md and Python's library alone: none of Pocket's C is used.

    python3 regress/golden/make_golden.py

Lines of TAB-separated columns, no comments, no header, so that COPY and C read them alike.  Numbers are decimal,
bytes are lower-case hex.  The vectors are frozen: a change of a line is a change of the format.

sha256.tsv        input, sha256
content_hash.tsv  unit, repeats, content_hash of the unit repeated so often
crc32c.tsv        input, CRC32C as 8 hex digits, most significant first
derive.tsv        key id, secret, purpose, derived key
token.tsv         name, key id, secret, method, flags, generation, cell, ns_id, bucket_id, offset, stored_length, length,
                  crc32c, incarnation, timeline, starts, hash, not_before, expires, nonce, text
receipt.tsv       name, key id, secret, ns_id, cell, bucket_id, offset, stored_length, length, crc32c, hash, expires, text
cursor.tsv        name, cell as uuid, incarnation, items as ns_id:jid:listed:at,..., bytes, text
record.tsv        name, cell, codec, cipher, bucket_id, offset, durable, length, payload_length, crc32c, payload_crc32c,
                  hash, tag, header, associated data, nonce
name_key.tsv      name, key
name_key_hash.tsv which, code points (hex, comma-separated), SHA-256 of all keys, each with a newline: "all" are the
                  names of one code point each but surrogates, "triples" those of three of the listed in all orders
extent_file.tsv   kind (1 bucket, 2 parity), id as 16 hex digits, position, path below the drive
code.tsv          text, kind (0 replicated, else the matrix id) or error name, k, m
matrix.tsv        code, its m parity rows of k bytes each
stripe.tsv        code, position, bytes of the member
error.tsv         code, name, SQLSTATE, HTTP status
"""
import base64
import hashlib
import hmac
import os
import struct
import unicodedata
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
BLOCK = 4 * 1024 * 1024
CELL = bytes(range(0xA0, 0xB0))
SECRET = bytes(range(32))
MAX64 = 2 ** 64 - 1
MAX32 = 2 ** 32 - 1


def write(name, rows):
    with open(os.path.join(HERE, name + ".tsv"), "w", newline="\n") as out:
        for row in rows:
            out.write("\t".join(c.hex() if isinstance(c, bytes) else str(c) for c in row) + "\n")


def sha256(data):
    return hashlib.sha256(data).digest()


def crc32c(data):
    crc = MAX32
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ MAX32


def content_hash(data):
    return sha256(b"".join(sha256(data[at:at + BLOCK]) for at in range(0, len(data), BLOCK)))


def derive(secret, purpose):
    return hmac.new(secret, b"pocket/1 " + purpose.encode(), hashlib.sha256).digest()


def signed(body, secret, purpose):
    whole = body + hmac.new(derive(secret, purpose), body, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(whole).decode().rstrip("=")


def hashes():
    inputs = [b"", b"abc", b"a", b"\0", b"Pocket", bytes(range(256)),
              b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"]
    inputs += [bytes([i]) * n for i, n in enumerate((55, 56, 63, 64, 65, 127, 128, 1000), 1)]
    write("sha256", [(i, sha256(i)) for i in inputs])
    units = [(b"", 0), (b"a", 1), (b"abc", 1), (b"Pocket\n", 100), (b"\0", BLOCK - 1), (b"\0", BLOCK),
             (b"\0", BLOCK + 1), (bytes(range(256)), 2 * BLOCK // 256), (b"1234567", 1300000)]
    write("content_hash", [(u, n, content_hash(u * n)) for u, n in units])
    assert crc32c(b"123456789") == 0xE3069283
    inputs += [b"123456789", b"\0" * 32, b"\xff" * 32, bytes(range(32)), bytes(range(31, -1, -1))]
    write("crc32c", [(i, "%08x" % crc32c(i)) for i in inputs])


def keys():
    cases = [(1, SECRET), (MAX32, bytes(32)), (7, b"\xff" * 32), (20240101, sha256(b"secret"))]
    write("derive", [(i, s, p, derive(s, p)) for i, s in cases for p in ("token", "receipt", "wrap")])


def token(name, key_id, secret, method, flags, generation, cell, ns_id, bucket_id, offset, stored_length, length, crc,
          incarnation, timeline, starts, digest, not_before, expires, nonce):
    body = (b"PKT1" + struct.pack("<BBHII", method, 0, flags, key_id, generation) + cell +
            struct.pack("<QQQIIIIII", ns_id, bucket_id, offset, stored_length, length, crc, incarnation, timeline, starts) +
            digest + struct.pack("<QQ", not_before, expires) + nonce + bytes(24))
    assert len(body) == 160
    return (name, key_id, secret, method, flags, generation, cell, ns_id, bucket_id, offset, stored_length, length, crc,
            incarnation, timeline, starts, digest, not_before, expires, nonce, signed(body, secret, "token"))


def receipt(name, key_id, secret, ns_id, cell, bucket_id, offset, stored_length, length, crc, digest, expires):
    body = (b"PKA1" + struct.pack("<IQ", key_id, ns_id) + cell +
            struct.pack("<QQIIII", bucket_id, offset, stored_length, length, crc, 0) + digest +
            struct.pack("<Q", expires) + bytes(8))
    assert len(body) == 112
    return (name, key_id, secret, ns_id, cell, bucket_id, offset, stored_length, length, crc, digest, expires,
            signed(body, secret, "receipt"))


def capabilities():
    abc = sha256(b"abc")
    write("token", [
        token("get", 1, SECRET, 1, 0, 0, CELL, 0, 0x1234567800000001, 4096, 192, 3, crc32c(b"abc"), 0x12345678, 1, 2, abc,
              0, 2000000000, bytes(8)),
        token("put", 7, b"\xff" * 32, 2, 0, 3, CELL, 42, 99, 0, 0, BLOCK, 0, 5, 1, 1, abc, 1700000000, 1700003600,
              bytes(range(8))),
        token("put_crc", 7, sha256(b"secret"), 2, 1, 3, CELL, 42, 99, 0, 0, 1, 0xDEADBEEF, 5, 1, 1, abc, 1700000000,
              1700003600, b"\xff" * 8),
        token("order", MAX32, SECRET, 3, 0, 0, b"\xff" * 16, 0, 0, 0, 0, 1024 * 1024, 0, MAX32, MAX32, MAX32, sha256(b"{}"),
              0, MAX64, b"nonce123"),
        token("peer", 1, SECRET, 4, 0, 9, CELL, 0, 0, 0, 0, 16 * 1024 * 1024, crc32c(b"abc"), 5, 1, 1,
              sha256(b"/peer/append/a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf/b-0000000000000001/4096"), 0, 1700000300, b"peer\0\1\2\3"),
        token("all_ones", 2, SECRET, 2, 1, MAX32, b"\xff" * 16, MAX64, MAX64, MAX64, MAX32, BLOCK, MAX32, MAX32, MAX32,
              MAX32, b"\xff" * 32, 1999999999, MAX64, b"\xff" * 8)])
    write("receipt", [
        receipt("plain", 1, SECRET, 42, CELL, 0x1234567800000001, 4096, 192, 3, crc32c(b"abc"), abc, 2000000000),
        receipt("largest", MAX32, sha256(b"secret"), MAX64, b"\xff" * 16, MAX64, MAX64, MAX32, BLOCK, MAX32, b"\xff" * 32,
                MAX64),
        receipt("least", 3, b"\xff" * 32, 0, bytes(16), 0, 0, 0, 1, 0, bytes(32), 1)])


def cursor(name, cell, incarnation, *items):
    body = bytes([1]) + cell + struct.pack(">IH", incarnation, len(items))
    body += b"".join(struct.pack(">qqqq", *item) for item in items)
    body += struct.pack(">I", crc32c(body))
    assert len(body) == 27 + 32 * len(items)
    return (name, str(uuid.UUID(bytes=cell)), incarnation, ",".join(":".join(map(str, i)) for i in items), body,
            base64.urlsafe_b64encode(body).decode().rstrip("="))


def cursors():
    last = 2 ** 63 - 1
    write("cursor", [
        cursor("empty", CELL, 1),
        cursor("one", CELL, 2 ** 31 - 1, (1, 1, 1, 0)),
        cursor("listing", bytes(16), 3, (7, 12, 0, 5)),
        cursor("several", b"\xff" * 16, 77, (1, 2 ** 32, 2 ** 32, 848000000000000), (2, 5, 2, -99), (2 ** 40, 1, 1, 0)),
        cursor("mounted", CELL, 9, (7, 3, 3, 1), (2, 8, 5, -1), (9, 1, 0, 0)),
        cursor("largest", CELL, 2 ** 31 - 1, (last, last, last, last))])


def record(name, codec, cipher, bucket_id, offset, durable, length, payload_length, crc, payload_crc, digest, tag):
    header = (b"PKR1" + bytes([1, codec, cipher, 0]) +
              struct.pack("<QQQIIII", bucket_id, offset, durable, length, payload_length, crc, payload_crc) + digest + tag +
              bytes(28))
    header += struct.pack("<I", crc32c(header))
    aad = CELL + struct.pack("<QQ", bucket_id, offset) + digest + struct.pack("<IIB", length, payload_length, codec) + bytes(7)
    assert len(header) == 128 and len(aad) == 80
    return (name, CELL, codec, cipher, bucket_id, offset, durable, length, payload_length, crc, payload_crc, digest, tag,
            header, aad, struct.pack("<QI", offset, 0))


def records():
    abc = sha256(b"abc")
    write("record", [
        record("plain", 0, 0, 1, 0, 0, 3, 3, crc32c(b"abc"), crc32c(b"abc"), abc, bytes(16)),
        record("sealed", 0, 1, 0x1234567800000001, 4096, 4032, BLOCK, BLOCK, 1, 2, abc, bytes(range(1, 17))),
        record("compressed", 1, 1, 77, 2 ** 32 + 64, 2 ** 32, BLOCK, 1, 0xDEADBEEF, 0xCAFEBABE, abc, b"\xff" * 16),
        record("last", 1, 0, MAX64, 2 ** 34 - 192, 2 ** 34 - 192, 100, 64, MAX32, MAX32, b"\xff" * 32, bytes(16))])


def fold(char):
    for candidate in (char.casefold(), char.lower()):
        if len(candidate) == 1:
            return candidate
    return char


def name_key(name):
    key = unicodedata.normalize("NFC", name)
    while True:
        folded = unicodedata.normalize("NFC", "".join(map(fold, key)))
        if folded == key:
            return key
        key = folded


def names():
    assert unicodedata.unidata_version == "14.0.0"
    cases = ["a", "README.txt", "ÀÉÎÕÜ", "e\u0301", "\u00e9", "E\u0301", "A\u030a", "\u212b", "\u2126", "\u212a", "straße",
             "STRASSE", "\u1e9e", "İstanbul", "I\u0307stanbul", "i\u0307stanbul", "ıI", "ΑΣΣ ςΣσ", "\u0345", "\u1fbc",
             "\u0391\u0345", "\u1fb3\u0345", "\u03b1\u0345\u0301", "\u0390\u1fd3", "\u0344", "한국어", "\u1112\u1161\u11ab",
             "\uac00\u11a8", "\u1100\u1161\u11a7", "q\u0307\u0323", "q\u0323\u0307", "\u1e0b\u0323", "\u1e0d\u0307",
             "\u0958", "\u2adc", "\U0001d15e", "\U0001d160" * 63, "\ufb1d", "ŉ", "ǅ", "ǆ", "Ǆ", "\U00010400", "\u13a0\uab70",
             "文件", "файл ФАЙЛ", "a\u0300\u0301\u0316b", "\u0f73\u0f71", "😀.PNG", "\u0130" * 127, "\u0390" * 127,
             "\u1f82" * 85, "\uac01" * 85, "a" + "\u0345\u0316" * 63, "\u05d0\u05b8\u05bc", "\u0378", "\ufffe", "x" * 255,
             "X" * 255, " a ", "a\u200db", "\u1fee", "\u0385", "\u00a8\u0301", "\U0002f800", "\U000110a5\U000110ba",
             "\U0001e900", "\u1c88", "\u10a0", "\u1c90", "\ua64a"]
    write("name_key", [(n.encode(), name_key(n).encode()) for n in cases])


def name_hashes():
    lively = [0x345, 0x300, 0x301, 0x304, 0x307, 0x308, 0x313, 0x314, 0x316, 0x323, 0x327, 0x338, 0x342, 0x344, 0x391, 0x3b1,
              0x3a9, 0x3b9, 0x399, 0x3ca, 0x390, 0x1fbc, 0x1fb3, 0x1f88, 0x1f82, 0x130, 0x131, 0x49, 0x41, 0x212a, 0x212b,
              0x2126, 0x1100, 0x1161, 0x11a7, 0x11a8, 0xac00, 0xac01, 0x1e9e, 0xf71, 0xf72, 0xf73, 0x5b0, 0x958, 0x9c7, 0x9be,
              0x3099, 0x304b, 0x1d15e, 0x2f800, 0x1ffe]
    keys = "".join(name_key(chr(c)) + "\n" for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    triples = "".join(name_key(chr(a) + chr(b) + chr(c)) + "\n" for a in lively for b in lively for c in lively)
    write("name_key_hash", [("all", "", sha256(keys.encode())),
                            ("triples", ",".join("%x" % c for c in lively), sha256(triples.encode()))])


def gf_multiply(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


def gf_inverse(a):
    return next(b for b in range(1, 256) if gf_multiply(a, b) == 1)


def lrc_rows(k):
    powers = [1]
    while len(powers) < k:
        powers.append(gf_multiply(powers[-1], 2))
    return [[int(j < k // 2) for j in range(k)], [int(j >= k // 2) for j in range(k)], powers,
            [gf_multiply(p, p) for p in powers]]


def stripe(code, parities):
    data = [sha256(b"%s %d" % (code.encode(), j)) for j in range(len(parities[0]))]
    for row in parities:
        parity = [0] * 32
        for coefficient, member in zip(row, data):
            parity = [p ^ gf_multiply(coefficient, byte) for p, byte in zip(parity, member)]
        data = data + [bytes(parity)]
    return [(code, p, member) for p, member in enumerate(data)]


def places():
    files = [(1, i, 0, "extents/%02x/b-%016x" % (i & 255, i)) for i in (0, 1, 0x3f, 0x1234567800000101, MAX64)]
    files += [(2, i, p, "extents/%02x/p-%016x-%02d" % (i & 255, i, p)) for i, p in ((7, 8), (0, 0), (MAX64, 31), (0x10a, 10))]
    write("extent_file", [(k, "%016x" % i, p, path) for k, i, p, path in files])
    good = [(6, 3), (10, 4), (14, 4), (2, 1), (1, 1), (31, 1), (1, 31), (16, 16)]
    rows = [("replicated", 0, 1, 0)] + [("rs(%d,%d)" % (k, m), 1, k, m) for k, m in good]
    rows += [("lrc(12,2,2)", 2, 12, 4), ("lrc(6,2,2)", 2, 6, 4), ("xor(2,1)", 3, 2, 1)]
    rows += [(t, "malformed", 0, 0) for t in (
        "rs", "rs(", "rs(6", "rs(6,", "rs(6,3", "rs(6,3) ", " rs(6,3)", "rs(6, 3)", "rs(06,3)", "rs(6,03)", "rs(0,3)", "rs(6,0)",
        "RS(6,3)", "rs(-6,3)", "rs(+6,3)", "rs(30,3)", "rs(32,1)", "rs(4294967302,3)", "rs(6,3)x", "rs(6,3,1)", "rs(6.3)",
        "Replicated", "replicated ", "xor(3,1)", "xor(2,1) ", "XOR(2,1)", "xor(2,2)", "xor(02,1)", "lrc(12,2)", "lrc(12,2,3)", "lrc(12, 2, 2)", "lrc(8,2,2)", "lrc(6,2,2", "none", "rs(99999999999999999999,1)")]
    write("code", rows)
    matrices = {"rs(%d,%d)" % (k, m): [[gf_inverse((k + i) ^ j) for j in range(k)] for i in range(m)] for k, m in good}
    matrices["lrc(12,2,2)"] = lrc_rows(12)
    matrices["lrc(6,2,2)"] = lrc_rows(6)
    matrices["xor(2,1)"] = [[1, 1]]
    write("matrix", [(code, bytes(c for row in rows for c in row)) for code, rows in matrices.items()])
    write("stripe", [line for code in ("rs(6,3)", "rs(10,4)", "rs(14,4)", "lrc(12,2,2)", "lrc(6,2,2)", "xor(2,1)")
                     for line in stripe(code, matrices[code])])


def errors():
    write("error", [line.split() for line in """0 ok 00000 200
-1 conflict PK001 409
-2 block_needed PK002 409
-3 quota PK003 413
-4 block_lost PK004 500
-5 stale_epoch PK005 409
-6 bucket_closed PK006 409
-7 no_place PK007 503
-8 foreign PK008 409
-20 malformed 22P03 400
-21 denied 42501 403
-22 not_found 42704 404
-23 too_large 54000 413
-24 corrupt XX001 500
-25 disk_full 53100 507
-26 io 58030 500
-27 no_key 28000 500
-28 unsupported 0A000 501
-29 no_memory 53200 503
-30 unavailable 08006 503
-31 busy 53400 503
-32 state 55000 409
-33 internal XX000 500""".splitlines()])


if __name__ == "__main__":
    hashes()
    keys()
    capabilities()
    records()
    cursors()
    names()
    name_hashes()
    places()
    errors()
