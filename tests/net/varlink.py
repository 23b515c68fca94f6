#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""varlink.py FILE NAME < JSON: is the JSON object what FILE, an interface in varlink's language, says of NAME: what the method
of that name answers, or the type? `schema` may stand beside its fields. A line a difference; exit 1 when there is one."""
import json
import re
import sys


class Reader:
    """The interface, word by word."""

    def __init__(self, text):
        self.words = re.findall(r"\[\]|->|[A-Za-z][\w.]*|[?():,]", re.sub(r"#.*", "", text))

    def next(self, want=None):
        word = self.words.pop(0)
        if want and word != want:
            sys.exit(f"the interface has {word} where {want} should be")
        return word

    def type(self):
        word = self.words[0]
        if word == "(":
            return self.fields()
        self.next()
        if word == "?":
            return ("maybe", self.type())
        if word == "[]":
            return ("list", self.type())
        return ("name", word)

    def fields(self):
        """Fields with types, or the values of an enumeration."""
        members = {}
        self.next("(")
        while self.words[0] != ")":
            name = self.next()
            if self.words[0] == ":":
                self.next()
                members[name] = self.type()
            else:
                members[name] = None
            if self.words[0] == ",":
                self.next()
        self.next(")")
        if members and not any(members.values()):
            return ("enum", list(members))
        return ("struct", members)

    def all(self):
        known = {}
        self.next("interface")
        self.next()
        while self.words:
            kind, name = self.next(), self.next()
            known[name] = self.fields()
            if kind == "method":
                self.next("->")
                known[name] = self.fields()
        return known


BUILT_IN = {"bool": bool, "int": int, "string": str, "object": dict}


def differences(known, kind, value, where):
    what, of = kind
    if what == "maybe":
        yield from differences(known, of, value, where)
    elif what == "list":
        if not isinstance(value, list):
            yield f"{where}: no array"
            return
        for i, one in enumerate(value):
            yield from differences(known, of, one, f"{where}[{i}]")
    elif what == "enum":
        if value not in of:
            yield f"{where}: {value} is none of {', '.join(of)}"
    elif what == "struct":
        if not isinstance(value, dict):
            yield f"{where}: no object"
            return
        for name in value.keys() - of.keys():
            yield f"{where}.{name}: not in the interface"
        for name, one in of.items():
            if name in value:
                yield from differences(known, one, value[name], f"{where}.{name}")
            elif one[0] != "maybe":
                yield f"{where}.{name}: missing"
    elif of in BUILT_IN:
        if type(value) is not BUILT_IN[of]:  # True is no int here
            yield f"{where}: {value!r} is no {of}"
    else:
        yield from differences(known, known[of], value, where)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        known = Reader(file.read()).all()
    value = json.load(sys.stdin)
    if isinstance(value, dict):
        value.pop("schema", None)
    found = list(differences(known, known[sys.argv[2]], value, sys.argv[2]))
    print("\n".join(found))
    sys.exit(bool(found))


main()
