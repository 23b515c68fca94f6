#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documentation shows, for docs.t. docs/README.md says how a block is marked.

docs.py blocks DIR ETC   takes the blocks apart: DIR/steps has a line for each command, DIR/yaml for each configuration,
                         DIR/left for each block that is not run; configurations to be kept go to ETC
docs.py compare STEP     is DIR/N.got what DIR/N.want says? STEP: DIR/N
docs.py write DIR        puts into the pages what our own tools printed, where it is something else
docs.py words COLUMN     the words in backquotes in the first column of tables whose first heading is COLUMN
docs.py lint BUILD       options, keys, metrics, files and links that are named, and are not there

Faults go to standard output, as FILE:LINE: what; exit 1 when there is one."""
import glob
import os
import re
import shlex
import subprocess
import sys
from collections import namedtuple

PAGES = ["README.md"] + sorted(glob.glob("docs/*.md"))
MANUALS = sorted(glob.glob("docs/*.[58]"))
HOSTS = ("gateway", "hub", "client", "server", "router")
ETC = "/etc/mpgate/"
COLUMNS = 80  # of the terminal on which an output is shown; where a line is longer, it is a wide one

Block = namedtuple("Block", "file line kind marks lines")
MARK = re.compile(r"(not run: .+|run by [^,]+|while [^,]+|in any order|at \w+|with \S+|as \S+)(?:, |$)")


class Faults:
    count = 0

    @classmethod
    def add(cls, file, line, what):
        cls.count += 1
        print(f"{file}:{line}: {what}")


def read(file):
    with open(file, encoding="utf-8") as f:
        return f.read().split("\n")


def marks_of(file, line, text):
    """{"while": "a client connects", "in any order": "", ...}"""
    marks = {}
    while text:
        found = MARK.match(text)
        if not found:
            Faults.add(file, line, f"'{text}' is no mark of a block (docs/README.md)")
            break
        words = found[1]
        key = next(k for k in ("not run", "run by", "while", "in any order", "at", "with", "as") if words.startswith(k))
        marks[key] = words[len(key):].lstrip(": ")
        text = text[found.end():]
    return marks


def blocks_of_page(file):
    lines, start, fence = read(file), None, None
    for n, line in enumerate(lines, 1):
        if line.startswith("```"):
            if start is None:
                start, fence = n, line[3:].strip().partition(" ")
                continue
            yield Block(file, start, fence[0], marks_of(file, start, fence[2]), lines[start:n - 1])
            start = None
        elif start is None and re.match(r"(    |\t)\S", line) and not lines[n - 2].strip():
            Faults.add(file, n, "a block by indentation: put it between ``` and ```, with its kind")
    if start is not None:
        Faults.add(file, start, "a block without end")


def blocks_of_manual(file):
    lines, start, marks = read(file), None, ""
    for n, line in enumerate(lines, 1):
        if line in (".nf", ".EX"):
            start = n
            above = re.match(r'\.\\" example: (.*)', lines[n - 2])
            marks = above[1] if above else ""
        elif line in (".fi", ".EE") and start:
            # A line for a line, so that numbers are right; requests are empty ones.
            text = [re.sub(r"\\(.)", lambda m: "\\" if m[1] == "e" else m[1], x) if not x.startswith(".") else ""
                    for x in lines[start:n - 1]]
            yield Block(file, start, "sh", marks_of(file, start, marks), text)
            start = None


def blocks():
    for file in PAGES:
        yield from blocks_of_page(file)
    for file in MANUALS:
        yield from blocks_of_manual(file)


# --- commands


def steps_of(block):
    """(line, host, command, what it prints, or None where only its status counts)"""
    steps, more = [], False
    for n, line in enumerate(block.lines, block.line + 1):
        prompt = re.match(r"(\w+)?# (.*)", line) if block.kind == "console" else None
        if more:
            steps[-1][2] += "\n" + line
        elif block.kind == "console" and not prompt:
            if steps:
                steps[-1][3].append(line)
            else:
                Faults.add(block.file, n, "an output without a command: '# ' or 'HOST# ' is in front of one")
            continue
        elif block.kind == "console":
            steps.append([n, prompt[1] or "gateway", prompt[2], []])
        elif line.strip() and not line.startswith("#"):
            steps.append([n, block.marks.get("at", "gateway"), line, None])
        else:
            continue
        if steps[-1][1] not in HOSTS:
            Faults.add(block.file, n, f"the hosts are {', '.join(HOSTS)}")
        more = line.rstrip().endswith(("|", "\\"))
    return steps


def sections(text):
    """The top-level keys of a configuration with their lines."""
    found, key = {}, None
    for line in text:
        if re.match(r"[a-z]", line):
            key = line.split(":")[0]
        if key:
            found.setdefault(key, []).append(line)
    return found


def configuration(block, etc):
    """The whole of it: where it is a part, the rest is that of another."""
    base = block.marks.get("with")
    if not base:
        return block.lines
    try:
        whole = sections(read(os.path.join(etc, base[len(ETC):]) if base.startswith(ETC) else base))
    except OSError as e:
        Faults.add(block.file, block.line, e)
        return block.lines
    whole.update(sections(block.lines))
    return [line for lines in whole.values() for line in lines]


# --- commands that another test runs


def makes(target, file, text):
    """Does make run that file for the target, or the file what make runs for it? Or for one that needs the target."""
    make = "\n".join(read("Makefile") + read("configs/install.mk"))
    for name, needs, recipe in re.findall(r"^([\w-]+):(?!=)(.*)\n((?:\t.*\n)+)", make, re.M):
        scripts = set(re.findall(r"\btests/[\w/.-]+\.sh", recipe)) - {"tests/net/deps.sh"}
        if name == target and any(os.path.basename(x) in text for x in scripts) or \
                target in [name] + needs.split() and file in scripts:
            return True
    return False


def asked(command):
    """Its name, and all that has to stand beside it: options, plain words, variables that are set. Not what is an example of
    the reader's own: paths, names with a digit or a dot, values."""
    words = shlex.split(command.split(" -- ")[0], comments=True)
    first = next((i for i, w in enumerate(words) if "=" not in w), 0)
    rest = [re.match(r"--?[\w-]+|\w+=|[a-z][a-z-]*$", w) for w in words[:first] + words[first + 1:]]
    return words[first], [m[0] for m in rest if m and (words[first] != "mpgated" or m[0][0] == "-")]


def stands_in(command, file):
    text = re.sub(r"(?m)^\s*#.*\n", "", "\n".join(read(file)))
    lines = re.sub(r"\\\n\s*", " ", text).split("\n")
    name, words = asked(command)
    if name == "make" and words and all(makes(w, file, text) for w in words):
        return True
    has = lambda line, word: re.search(r"(?<![\w-])" + re.escape(word) + ("" if word.endswith("=") else r"(?![\w-])"), line)
    names = {name} | ({"ctl"} if name == "mpgatectl" else set())
    for _ in range(2): # a function of a function
        names |= {f for f, body in re.findall(r"(?m)^(\w+)\(\) \{ (.*) \}$", text) if any(has(body, n) for n in names)}
    return any(any(has(x, n) for n in names) and all(has(x, w) for w in words) for x in lines)


def look_who_runs(block):
    files = block.marks["run by"].split(" and ")
    missing = [f for f in files if not os.path.exists(f)]
    for f in missing:
        Faults.add(block.file, block.line, f"there is no {f}")
    if missing or block.kind not in ("sh", "console"):
        return
    for line, _, commands, _ in steps_of(block):
        for command in re.split(r"&&|;", commands.replace("\\\n", " ").split(" #")[0]):
            if not any(stands_in(command, f) for f in files):
                Faults.add(block.file, line, f"'{' '.join(command.split())}' is not in {block.marks['run by']}")


def take_apart(directory, etc):
    steps, yaml, left = [], [], []
    for b in blocks():
        if "not run" in b.marks:
            left.append(f"{b.file}:{b.line}: {b.marks['not run']}")
        elif "run by" in b.marks:
            look_who_runs(b)
        elif b.kind == "yaml":
            text = "\n".join(configuration(b, etc)) + "\n"
            keep = b.marks.get("as")
            name = os.path.join(etc, keep[len(ETC):] if keep else f"block-{len(yaml)}.yaml")
            with open(name, "w", encoding="utf-8") as f:
                f.write(text)
            yaml.append(f"{b.file}:{b.line}\t{name}")
        elif b.kind in ("sh", "console"):
            for line, host, command, want in steps_of(b):
                base = os.path.join(directory, str(len(steps)))
                with open(base + ".cmd", "w", encoding="utf-8") as f:
                    f.write(command + "\n")
                if want is not None:
                    with open(base + ".want", "w", encoding="utf-8") as f:
                        f.write("\n".join(want))
                order = "any" if "in any order" in b.marks else "same"
                during = b.marks.get("while", "-").replace(" ", "_")
                width = COLUMNS if max(map(len, want or [""])) <= COLUMNS else 2 * COLUMNS
                steps.append(f"{b.file}:{line}\t{host}\t{during}\t{order}\t{width}\t{base}")
        elif b.kind != "text":
            Faults.add(b.file, b.line, f"'{b.kind}' is no kind of block (docs/README.md)")
    for name, lines in (("steps", steps), ("yaml", yaml), ("left", left)):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in lines)


# --- outputs

# What changes from run to run, and what stands for it. The first that fits is taken; all else is meant as it is written.
CLASSES = [
    (re.compile(r"\s*\.\.\.\s*"), lambda m: ".*"),
    (re.compile(r"\s+"), lambda m: r"\s+"),
    # Addresses stay; a port does that is not one of those that the kernel picks.
    (re.compile(r"(\d+\.\d+\.\d+\.\d+(?:[.:]|%\w+:)|\]:)(\d{5})\b"), lambda m: re.escape(m[1]) + r"\d+"),
    (re.compile(r"\d+\.\d+\.\d+\.\d+(?:[.:/]\d+)?\b|(?:[0-9a-f]{1,4}:)+:[0-9a-f:]*(?:/\d+)?"),
     lambda m: re.escape(m[0])),
    (re.compile(r"\d[\d.]* (?:B|[KMGT]iB)\b"), lambda m: r"\d[\d.]*\s(?:B|[KMGT]iB)"),
    (re.compile(r"\d+B\b"), lambda m: r"\d+B"),
    (re.compile(r"\d[\d.]* [kMG]?bit/s"), lambda m: r"\d[\d.]*\s[kMG]?bit/s"),
    (re.compile(r"\d[\d.]* (?:u|m)?s\b"), lambda m: r"\d[\d.]*\s[um]?s"),
    (re.compile(r"(?:\d+[dhms])+\b"), lambda m: r"(?:\d+[dhms])+"),
    (re.compile(r"0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{6,}\b"), lambda m: r"(?:0x)?[0-9a-f]+"),
    (re.compile(r"\d+(?:[.:T+-]+\d+)*Z?(?![A-Za-z])"), lambda m: r"\d[\d.:TZ+-]*"),
    (re.compile(r"\w+"), lambda m: re.escape(m[0])),
]


def pattern(line):
    at, out = 0, ""
    while at < len(line):
        for what, as_what in CLASSES:
            found = what.match(line, at)
            if found:
                out, at = out + as_what(found), found.end()
                break
        else:
            out, at = out + re.escape(line[at]), at + 1
    return re.compile(out)


def lines_of(name, strip=str.strip):
    """Without what is empty at both ends; a time of day at the begin of a line has only its fractions."""
    with open(name, encoding="utf-8", errors="replace") as f:
        return [re.sub(r"^\d\d:\d\d:\d\d(?=\.)", "", strip(x)) for x in f.read().strip("\n").split("\n")]


def ours(command):
    return command.startswith(("mpgatectl", "mpgated"))


def first_difference(want, got, whole, in_order):
    """None, or the line that is not printed. whole: all lines count, `...` alone stands for any number of them."""
    at, gap = 0, not whole
    for line in want:
        if line == "...":
            gap = True
            continue
        fits = pattern(line).fullmatch
        found = next((i for i in range(at, len(got)) if fits(got[i])), None)
        if found is None or (found > at and not gap):
            return line
        if in_order:
            at = found + 1
        else:
            del got[found]
        gap = not whole
    return None if gap or at == len(got) else f"(and no more, but there is: {got[at]})"


def compare(base, order):
    with open(base + ".cmd", encoding="utf-8") as f:
        whole = ours(f.read())
    got = lines_of(base + ".got")
    missing = first_difference(lines_of(base + ".want"), list(got), whole, order == "same")
    if missing is not None:
        Faults.count += 1
        print(f"does not print: {missing}\nit prints:")
        print("\n".join(line[:200] for line in got[:40]))


def write(directory):
    found = [line.split("\t") for line in read(os.path.join(directory, "steps")) if line]
    # From the end, so that line numbers of what comes before stay right.
    for where, _, _, order, _, base in sorted(found, key=lambda f: -int(f[0].split(":")[1])):
        with open(base + ".cmd", encoding="utf-8") as f:
            command = f.read()
        if not ours(command) or not os.path.exists(base + ".want") or not os.path.exists(base + ".got"):
            continue
        if first_difference(lines_of(base + ".want"), lines_of(base + ".got"), True, order == "same") is None:
            continue
        got = lines_of(base + ".got", str.rstrip)
        file, line = where.split(":")
        text, start = read(file), int(line) + command.count("\n") - 1
        text[start:start + (len(read(base + ".want")) if os.path.getsize(base + ".want") else 0)] = got
        with open(file, "w", encoding="utf-8") as f:
            f.write("\n".join(text))


# --- what is named in prose


def spans():
    """(file, line, words in backquotes), outside of blocks."""
    for file in PAGES:
        inside = False
        for n, line in enumerate(read(file), 1):
            if line.startswith("```"):
                inside = not inside
            elif not inside:
                for found in re.findall(r"`([^`]+)`", line):
                    yield file, n, found


def first_column(heading_wanted):
    for file in PAGES:
        heading = ""
        lines = read(file)
        for n, (line, after) in enumerate(zip(lines, lines[1:] + [""]), 1):
            cells = line.split("|")
            if re.match(r"\|[- |]+\|$", after):
                heading = cells[1].strip() if len(cells) > 1 else ""
            elif heading == heading_wanted and len(cells) > 1:
                for word in re.findall(r"`([a-z0-9-]+)`", cells[1]):
                    yield file, n, word


def words(heading):
    for _, _, word in first_column(heading):
        print(word)


def tool_says(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


class Tools:
    """Their options and verbs, by themselves."""

    def __init__(self, build):
        self.ctl, self.daemon = f"{build}/mpgatectl", f"{build}/mpgated"
        self.help = {tool: set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", tool_says(tool, "--help")))
                     for tool in (self.ctl, self.daemon)}

    def options(self):
        found = set().union(*self.help.values())
        for noun in self.next_words(""):
            for verb in self.next_words(noun, "") or [""]:
                found |= self.next_words(*filter(None, (noun, verb)), "--")
        return found

    def next_words(self, *before):
        return {line.split("\t")[0] for line in tool_says(self.ctl, "--complete", *before).split("\n") if line}

    def fault(self, text):
        """of a command line of ours; None: there is none."""
        tool, *rest = re.split(r"\s+", re.split(r"[|#>;]| -- ", text)[0].strip())
        options = [x.split("=")[0] for x in rest if re.match(r"--?[a-z]", x)]
        if tool == "mpgated":
            return next((f"mpgated has no {x}" for x in options if x not in self.help[self.daemon]), None)
        verb, known = [], self.next_words("")
        for word in rest:
            if word.startswith("-") or word not in known or word == "":
                if word.startswith("-") or verb or not word.islower():
                    continue
                return f"mpgatectl has no {word}"
            verb.append(word)
            known = self.next_words(*verb, "") if len(verb) == 1 else set()
        takes = self.next_words(*verb, "--") | {"-i", "-h", "--"}
        return next((f"mpgatectl {' '.join(verb)} has no {x}" for x in options if x not in takes), None)


class Keys:
    """Those of the configuration, and the words that some take, as the schema has them."""

    def __init__(self):
        source = "\n".join("\n".join(read(f)) for f in sorted(glob.glob("user/lib/config/*.c")))
        lists = {name: set(re.findall(r'"([^"]+)"', body))
                 for name, body in re.findall(r"(\w+_words)\[\w*\] = \{(.*?)\};", source, re.S)}
        self.words = {}
        for kind, key, of in re.findall(r'\b(TEXTS?|WORD|NUMBERS?|MAPS|SECTION|CYAML_FIELD_MAPPING_PTR)\("([a-z-]+)"([^;]*?)\)[,;]', source):
            named = lists.get(of.split(",")[-1].strip()) if kind == "WORD" else None
            self.words[key] = named | self.words.get(key, set()) if named and self.words.get(key, set()) is not None else None

    def fault(self, text):
        dotted = re.fullmatch(r"([a-z-]+)\.([a-z-]+)", text)
        if dotted and dotted[1] in self.words and len(dotted[2]) > 2 and dotted[2] not in self.words:
            return f"no key {dotted[2]}"
        if not re.match(r"[\[{ ]*[a-z-]+: (?:[\[{\"]|\S+$|\S+ })", text):
            return None
        for key, value in re.findall(r"([a-z-]+): ([\w-]*)", text):
            if key not in self.words and not key.startswith("mpgated"): # which processes are called
                return f"no key {key}"
            if self.words.get(key) and value and value.islower() and value not in self.words[key]:
                return f"{key} does not take {value}"
        return None


ROOTS = ("", "user/", "user/mpgated/", "user/lib/", "tests/", "include/")
TOP = re.compile(r"(?:tests|configs|docs|user|bpf|include|vmtest|lib|net|worker|supervisor|paths|control|ipc|datapath|answers|"
                 r"resolver|logger)/[\w./*-]*$")


def file_fault(text):
    if not TOP.match(text) or re.search(r"[A-Z]{3}", os.path.basename(text).partition(".")[0]):
        return None
    return None if any(glob.glob(root + text) or glob.glob(root + text + ".c") for root in ROOTS) else f"there is no {text}"


def strings():
    """All of the daemon's source: the names of its metrics and findings are among them."""
    source = "\n".join("\n".join(read(f)) for f in glob.glob("user/**/*.[ch]", recursive=True))
    return set(re.findall(r'"([a-z0-9_-]+)"', source))


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(file):
    return {slug(re.sub(r"^#+ |`|\[([^\]]*)\]\([^)]*\)", r"\1", line)) for line in read(file) if line.startswith("#")}


def lint_links():
    for file in PAGES:
        for n, line in enumerate(read(file), 1):
            for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", line):
                if "://" in target:
                    continue
                path = os.path.normpath(os.path.join(os.path.dirname(file), target)) if target else file
                if not os.path.exists(path):
                    Faults.add(file, n, f"there is no {target}")
                elif anchor and anchor not in anchors(path):
                    Faults.add(file, n, f"{path} has no heading #{anchor}")


def lint(build):
    tools, keys, known = Tools(build), Keys(), strings()
    options = tools.options()
    for file, n, text in spans():
        fault = keys.fault(text) or file_fault(text)
        if re.match(r"(mpgatectl|mpgated) ", text):
            fault = fault or tools.fault(text)
        elif re.match(r"--[a-z]", text) and text.split()[0] not in options:
            fault = fault or f"neither tool has {text}"
        for name in re.findall(r"\bmpgate_[a-z0-9_]+", text):
            if name not in known and re.sub("_total$", "", name) not in known:
                fault = fault or f"no metric {name}"
        if fault:
            Faults.add(file, n, fault)
    for file, n, finding in first_column("finding"):
        if finding not in known:
            Faults.add(file, n, f"no finding {finding}")
    for heading in ("finding", "counter"):
        seen = set()
        for file, n, word in first_column(heading):
            if word in seen:
                Faults.add(file, n, f"{word} is there twice")
            seen.add(word)
    for file in MANUALS:
        for n, line in enumerate(read(file), 1):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line.replace("\\-", "-")):
                if option not in options:
                    Faults.add(file, n, f"neither tool has {option}")
    targets = set(re.findall(r"^([\w-]+(?: [\w-]+)*):", "\n".join(read("Makefile") + read("configs/install.mk")), re.M))
    targets = {word for line in targets for word in line.split()}
    for b in blocks():
        if b.kind not in ("sh", "console"):
            continue
        for line, _, command, _ in steps_of(b):
            for part in re.split(r"&&|;|\|", command.split(" #")[0]):
                part = part.strip()
                if part.startswith("make "):
                    for word in part.split()[1:]:
                        if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-") and word not in targets:
                            Faults.add(b.file, line, f"no make {word}")
                elif re.match(r"(mpgatectl|mpgated) ", part):
                    fault = tools.fault(part)
                    if fault:
                        Faults.add(b.file, line, fault)
    lint_links()


if __name__ == "__main__":
    {"blocks": take_apart, "compare": compare, "write": write, "words": words, "lint": lint}[sys.argv[1]](*sys.argv[2:])
    sys.exit(1 if Faults.count else 0)
