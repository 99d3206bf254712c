"""Makes the queries that the search is measured with, and the invented table of medications that some of them ask.

    python3 make_queries.py FOLDER            writes queries.tsv, RXNCONSO.RRF and RXNREL.RRF beside this file
    python3 make_queries.py FOLDER --tuning   prints queries from the other half of the names, for tuning

FOLDER has the files of ICD-10-CM. Every code comes from them: a query is a name that the tabular list has for a code, as it is,
in another order, with a word less, with its abbreviation alone, or misspelt at random. Expected are all codes that have a name
of the same words. A name is on the side of the queries or of tuning by its hash, so that nothing was tuned on what is measured.
Chapters are drawn first, so that the many injuries do not crowd out the rest. Medications, brands and their numbers are
INVENTED: they are syllables, and mean nothing.
"""
import hashlib
import pathlib
import random
import re
import sys
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).parent
QUOTAS = (("exact", 40), ("reordered", 45), ("misspelling", 80), ("lay", 50), ("dropped", 25), ("abbreviation", 25))
BRANDS = 35
SMALL = {"of", "the", "and", "or", "in", "to", "with", "without", "by", "due", "for", "a", "an", "on", "not", "other"}


def normal(text):
    """Its words, sorted, without those that say that no more is known."""
    words = re.findall(r"[a-z0-9]+", text.lower().replace("'s", "").replace("not specified", "unspecified"))
    return tuple(sorted(word for word in words if word not in ("unspecified", "nos")))


def is_tuning(text):
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 2 == 0


def read(folder):
    """-> names by chapter: [(code, name, whether it is the code's own)], and the codes of each normal name."""
    (file,) = pathlib.Path(folder).glob("icd10c*-tabular-*.xml")
    chapters, codes = {}, {}
    for chapter in ElementTree.parse(file).getroot().iter("chapter"):
        names = chapters.setdefault(chapter.findtext("name"), [])
        for node in chapter.iter("diag"):
            code = node.findtext("name")
            own = [(code, node.findtext("desc"), True)]
            for place in ("inclusionTerm", "includes"):
                own += [(code, note.text, False) for child in node.findall(place) for note in child.iter("note")]
            for _, name, _ in own:
                codes.setdefault(normal(name), set()).add(code)
                codes.setdefault(normal(re.sub(r"[(\[][^)\]]*[)\]]", " ", name)), set()).add(code)
            names += own
    return chapters, codes


def plain(name):
    return re.fullmatch(r"[A-Za-z0-9 ',\-]+", name) and 2 <= len(name.split()) <= 7


def misspell(rng, name, known):
    """One slip in a long word, or two in a very long one; the result is no word of the table."""
    words = name.split()
    places = [place for place, word in enumerate(words) if re.fullmatch(r"[A-Za-z]{6,}", word)]
    if not places:
        return None
    place = rng.choice(places)
    for _ in range(50):
        letters = list(words[place].lower())
        for _ in range(2 if len(letters) > 9 and rng.random() < 0.3 else 1):
            at = rng.randrange(1, len(letters) - 1)
            kind = rng.choice(("leave out", "double", "swap", "vowel", "wrong"))
            if kind == "leave out":
                del letters[at]
            elif kind == "double":
                letters.insert(at, letters[at])
            elif kind == "swap":
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            elif kind == "vowel":
                letters[at] = rng.choice("aeiou") if letters[at] in "aeiouy" else letters[at]
            else:
                letters[at] = rng.choice("bcdfghjklmnprstvwxz")
        wrong = "".join(letters)
        if wrong not in known:
            return " ".join(words[:place] + [wrong] + words[place + 1:]).lower()
    return None


def abbreviated(name):
    """The name with an abbreviation in brackets instead of the words whose first letters it has."""
    found = re.search(r"\[([A-Z][A-Z0-9]+)\]", name)
    if not found:
        return None
    before, count = re.findall(r"[A-Za-z0-9]+", name[:found.start()]), len(found[1])
    if [word[0].lower() for word in before[-count:]] != list(found[1].lower()):
        return None
    return " ".join(before[:-count] + [found[1]] + re.findall(r"[A-Za-z0-9]+", name[found.end():]))


def query(kind, rng, name, own, known):
    """A query of that kind from a name, or None."""
    if kind == "abbreviation":
        return abbreviated(name)
    if not plain(name) or own == (kind == "lay"):
        return None
    words = name.replace(",", "").lower().split()
    if kind == "exact":
        return name
    if kind == "lay":
        return " ".join(word for word in words if word not in ("nos", "unspecified"))
    if kind == "misspelling":
        return misspell(rng, name, known)
    heavy = [word for word in words if word not in SMALL]
    if len(heavy) < 3:
        return None
    if kind == "reordered":
        rng.shuffle(heavy)
        return " ".join(heavy) if heavy != words else None
    del words[rng.randrange(len(words))]
    return " ".join(words)


def conditions(rng, chapters, codes, tuning):
    known = {word for names in chapters.values() for _, name, _ in names for word in re.findall("[a-z]+", name.lower())}
    rows, seen = [], set()
    for kind, quota in QUOTAS:
        left = quota
        while left:
            names = chapters[rng.choice(sorted(chapters))]
            if kind == "abbreviation":
                names = [row for names in chapters.values() for row in names if abbreviated(row[1])]
            code, name, own = rng.choice(names)
            text = None if is_tuning(name) != tuning else query(kind, rng, name, own, known)
            if text and text not in seen and len(normal(text)) > 0:
                seen.add(text)
                # With a word less, it may be the name of another code.
                expected = codes[normal(name)] | {code} | codes.get(normal(text), set())
                rows.append((text, kind, " ".join(sorted(expected)), "icd10cm"))
                left -= 1
    return rows


def invented_name(rng):
    head = "Bel Cor Dax Fen Gal Hom Jud Kel Lor Mav Nib Ost Pel Quo Rin Sul Tor Vex Wum Zan".split()
    middle = "abor ecil idan ofex ugor alam emip inor opul urav asit etuk ivim owel uzob".split()
    tail = "ax el in ol um ex ane ide".split()
    return rng.choice(head) + rng.choice(middle) + rng.choice(tail)


def medications(rng):
    """-> lines of RXNCONSO.RRF, lines of RXNREL.RRF, [(brand, number of its ingredient)]. All of it is invented."""
    names, relations, brands, used = [], [], [], set()

    def fresh():
        while (name := invented_name(rng)) in used:
            pass
        used.add(name)
        return name

    def atom(number, kind, text, source="RXNORM", suppress="N"):
        code = number if source == "RXNORM" else "X" + number
        names.append(f"{number}|ENG||||||A{len(names) + 1}||||{source}|{kind}|{code}|{text}||{suppress}|4096|")

    for index in range(120):
        generic, brand = fresh().lower(), fresh()
        one, two, three = (str(90000000 + index * 10 + place) for place in range(3))
        strength = rng.choice((5, 10, 20, 40, 80)) * rng.choice((1, 5))
        atom(one, "IN", generic)
        atom(one, "SU", generic + " of another source", source="INVENTED")
        atom(one, "SY", generic + " obsolete", suppress="O")
        atom(two, "BN", brand)
        atom(three, "SCD", f"{generic} {strength} MG Oral Tablet")
        atom(three, "PSN", f"{generic} {strength} MG tablet")
        relations.append(f"{one}||CUI|RO|{two}||CUI|tradename_of|R{index}||RXNORM|RXNORM||||4096|")
        relations.append(f"{two}||CUI|RO|{one}||CUI|has_tradename|S{index}||RXNORM|RXNORM||||4096|")
        brands.append((brand, one))
    return names, relations, brands


def main():
    folder, tuning = sys.argv[1], "--tuning" in sys.argv
    rng = random.Random("tuning" if tuning else "queries")
    rows = conditions(rng, *read(folder), tuning)
    names, relations, brands = medications(random.Random("invented"))
    known = {brand.lower() for brand, _ in brands}
    for index, (brand, ingredient) in enumerate(rng.sample([row for row in brands if is_tuning(row[0]) == tuning], BRANDS)):
        text = (misspell(rng, brand, known) or brand) if index % 3 == 0 else brand
        rows.append((text, "brand", ingredient, "rxnorm"))
    table = "".join("\t".join(row) + "\n" for row in rows)
    if tuning:
        sys.stdout.write(table)
        return
    (HERE / "queries.tsv").write_text("query\tkind\tcodes\ttable\n" + table)
    (HERE / "RXNCONSO.RRF").write_text("\n".join(names) + "\n")
    (HERE / "RXNREL.RRF").write_text("\n".join(relations) + "\n")


if __name__ == "__main__":
    main()
