#!/usr/bin/env python3
"""Writes extension/contract/pk_unicode_table.h from Python's unicodedata.

    python3 regress/unit/make_unicode_table.py > extension/contract/pk_unicode_table.h

The tables are frozen: keys made with them are in unique indexes.  Only a Python
with Unicode 14.0 (3.11) makes them, and making them again changes no byte.

Folding is a rule of our own, equal to the C and S lines of CaseFolding.txt 14.0:
str.casefold() where that is one code point, else str.lower() where that is one,
else the code point itself.

Before it writes anything the script proves, over all code points, what
pk_name.c and pk_name.h rely on; see prove().
"""
import sys
import unicodedata

VERSION = "14.0.0"
LAST = 0x10FFFF
HANGUL = range(0xAC00, 0xAC00 + 11172)
SURROGATES = range(0xD800, 0xE000)


def fold(code):
    for candidate in (chr(code).casefold(), chr(code).lower()):
        if len(candidate) == 1:
            return ord(candidate)
    return code


def decompose(code):
    return [ord(c) for c in unicodedata.normalize("NFD", chr(code))]


def utf8(code):
    return len(chr(code).encode())


def make_decompositions(codes):
    table = {}
    for code in codes:
        if code not in HANGUL and decompose(code) != [code]:
            table[code] = decompose(code)
    return table


def make_pairs(codes):
    """(first, second) -> composed; composition exclusions and singletons are not in it."""
    pairs = {}
    for code in codes:
        words = unicodedata.decomposition(chr(code)).split()
        if len(words) != 2 or words[0].startswith("<") or code in HANGUL:
            continue
        first, second = (int(w, 16) for w in words)
        if unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(code):
            pairs[first, second] = code
    return pairs


def make_class_ranges(codes):
    ranges = []
    for code in codes:
        value = unicodedata.combining(chr(code))
        if value == 0:
            continue
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == value:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, value])
    return ranges


def make_fold_ranges(codes):
    """Runs of equal distance, in steps of one or of two (where upper and lower case alternate)."""
    folding = [(c, fold(c) - c) for c in codes if fold(c) != c]
    ranges = []
    at = 0
    while at < len(folding):
        best = [folding[at][0], folding[at][0], 1, folding[at][1]]
        taken = 1
        for step in (1, 2):
            n = 1
            while (at + n < len(folding) and folding[at + n][1] == folding[at][1]
                   and folding[at + n][0] == folding[at][0] + n * step):
                n += 1
            if n > taken:
                taken = n
                best = [folding[at][0], folding[at + n - 1][0], step, folding[at][1]]
        ranges.append(best)
        at += taken
    return ranges


def prove(codes, pairs):
    """Holds over all code points, or nothing is written.

    D is canonical decomposition, N is NFC, F folds each code point.  A key is N of the name, then F and N in
    turn until F changes nothing.

    1. Size.  weight(d) is the most bytes that d, or what folding makes of it, takes; P(s) is the sum of the weights
       of D(s).  N leaves P alone; F does not raise it (checked for each code point).  A string in NFC has at most
       P bytes (checked for each code point that NFC can hold), and P(s) is at most 3 times the bytes of s (checked).
       So a key has at most 3 times its name's bytes, and no string on the way has more code points than that.

    2. End.  Say s is in NFC.  In D(F(s)) only U+0345 and the I of U+0130 are unfolded (checked).  U+0345 is the only
       mark that folds, and none has a higher class (checked), so F only ever cuts a run of marks at its
       end; what was composed from the marks before, such as U+0130, composes again.  What composes from a folded first
       part is folded (checked).  So N(F(s)) is folded but for a U+0345 that stands alone; the second F makes that
       U+03B9, after which N changes nothing more, nor does F.
    """
    def weight(d):
        return max(utf8(d), max(utf8(x) for x in decompose(fold(d))), utf8(fold(d)))

    def potential(code):
        return sum(weight(d) for d in decompose(code))

    ratio = 0
    for code in codes:
        folded = fold(code)
        assert fold(folded) == folded, hex(code)
        assert potential(folded) <= potential(code), hex(code)
        assert utf8(code) <= potential(code) or unicodedata.normalize("NFC", chr(code)) != chr(code), hex(code)
        ratio = max(ratio, potential(code) / utf8(code))
        assert potential(code) <= 3 * utf8(code), hex(code)
        assert code == 0x130 or all(fold(d) == d or d == 0x345 for d in decompose(folded)), hex(code)
        assert code == 0x345 or unicodedata.combining(chr(code)) == 0 or folded == code, hex(code)
        assert unicodedata.combining(chr(code)) <= unicodedata.combining("\u0345"), hex(code)
    for (first, second), composed in pairs.items():
        if fold(first) == first:
            assert fold(composed) == composed, hex(composed)
    for code in HANGUL:
        assert fold(code) == code
    return ratio


def write_rows(out, rows):
    line = ""
    for row in rows:
        if len(line) + len(row) > 112:
            out.write("\t" + line.rstrip() + "\n")
            line = ""
        line += row + ", "
    out.write("\t" + line.rstrip() + "\n};\n")


def main():
    if unicodedata.unidata_version != VERSION:
        sys.exit("this Python has Unicode %s; the tables are frozen at %s" % (unicodedata.unidata_version, VERSION))
    codes = [c for c in range(LAST + 1) if c not in SURROGATES]
    decompositions = make_decompositions(codes)
    pairs = make_pairs(codes)
    ratio = prove(codes, pairs)
    out = sys.stdout

    pool = []
    rows = []
    for code, parts in sorted(decompositions.items()):
        rows.append("{0x%x, %d, %d}" % (code, len(pool), len(parts)))
        pool.extend(parts)
    out.write("/*\n * pk_unicode_table.h\n"
              " *\t  Unicode %s: canonical decomposition and composition, combining classes,\n"
              " *\t  simple case folding.  Frozen.\n *\n"
              " * Made by regress/unit/make_unicode_table.py; do not edit.  Hangul syllables are\n"
              " * computed, not listed.  Each table is in the order of its code points.  A name's\n"
              " * key weighs at most %.2f times its bytes.\n */\n" % (VERSION, ratio))
    out.write("#ifndef PK_UNICODE_TABLE_H\n#define PK_UNICODE_TABLE_H\n\n#include <stdint.h>\n\n"
              "/* clang-format off */\n\n")
    out.write("#define PK_UNICODE_VERSION \"%s\"\n" % VERSION)
    out.write("#define PK_UNICODE_DECOMPOSITION_MAX %d\n\n" % max(len(p) for p in decompositions.values()))
    out.write("/* full canonical decomposition: length code points at start of the pool, in canonical order */\n"
              "static const struct\n{\n\tuint32_t code;\n\tuint16_t start;\n\tuint16_t length;\n}"
              " unicode_decompositions[] = {\n")
    write_rows(out, rows)
    out.write("\nstatic const uint32_t unicode_decomposition_pool[] = {\n")
    write_rows(out, ["0x%x" % c for c in pool])
    out.write("\n/* first and second compose; in the order of (first, second) */\n"
              "static const struct\n{\n\tuint32_t first;\n\tuint32_t second;\n\tuint32_t composed;\n}"
              " unicode_pairs[] = {\n")
    write_rows(out, ["{0x%x, 0x%x, 0x%x}" % (f, s, c) for (f, s), c in sorted(pairs.items())])
    out.write("\n/* canonical combining classes other than 0 */\n"
              "static const struct\n{\n\tuint32_t first;\n\tuint32_t last;\n\tuint8_t combining_class;\n}"
              " unicode_classes[] = {\n")
    write_rows(out, ["{0x%x, 0x%x, %d}" % tuple(r) for r in make_class_ranges(codes)])
    out.write("\n/* first, first + step, ... last fold to themselves plus distance */\n"
              "static const struct\n{\n\tuint32_t first;\n\tuint32_t last;\n\tuint8_t step;\n\tint32_t distance;\n}"
              " unicode_folds[] = {\n")
    write_rows(out, ["{0x%x, 0x%x, %d, %d}" % tuple(r) for r in make_fold_ranges(codes)])
    out.write("\n/* clang-format on */\n\n#endif\n")


if __name__ == "__main__":
    main()
