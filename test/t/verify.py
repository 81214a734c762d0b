"""A second verifier of exported audit trails, made from the description in
docs/audit.md and RFC 6962 alone, to compare nurture-verify and the server with.
Usage: verify.py DIGESTS EXPORT...; prints file, class, block and audit_id by line."""
import hashlib
import json
import struct
import sys

KINDS = "iaiubtttlJJtttttB"  # of an entry's hashed fields, in order
TAGS = {"i": 1, "u": 2, "B": 3, "a": 4, "t": 5, "b": 6, "J": 7, "l": 8}
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
LAST_XID = 2**64 - 1


def sha(data):
    return hashlib.sha256(data).digest()


def root(leaves):
    """MTH of RFC 6962, section 2.1."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


class Tree:
    """Perfect subtrees from the left, largest first, and what became of them."""

    def __init__(self, size=0, peaks=()):
        self.size, self.peaks = size, list(peaks)

    def add(self, leaf):
        made = []
        self.peaks.append(leaf)
        self.size += 1
        n = self.size
        while n % 2 == 0:
            right, left = self.peaks.pop(), self.peaks.pop()
            self.peaks.append(sha(b"\x01" + left + right))
            made.append(self.peaks[-1])
            n //= 2
        return made

    def root(self):
        if not self.peaks:
            return sha(b"")
        result = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            result = sha(b"\x01" + peak + result)
        return result


def plain(field):
    if field == "\\N":
        return None
    out, chars = [], iter(field)
    for c in chars:
        if c == "\\":
            c = next(chars)
            c = ESCAPES.get(c, c)
        out.append(c)
    return "".join(out)


def listing(text):
    """Items of an array as PostgreSQL prints it; None when it is no plain list."""
    if not text.startswith("{") or text.startswith("{{"):
        return None
    items, i = [], 1
    while text[i] != "}":
        quoted, word = text[i] == '"', []
        i += quoted
        while text[i] != '"' if quoted else text[i] not in ",}":
            i += text[i] == "\\"
            word.append(text[i])
            i += 1
        i += quoted
        word = "".join(word)
        items.append(None if word == "NULL" and not quoted else word)
        i += text[i] == ","
    return items


def length(data):
    return struct.pack(">I", 0xFFFFFFFF if data is None else len(data)) + (data or b"")


def field(ordinal, kind, text):
    if text is None:
        return bytes([ordinal, TAGS[kind]]) + length(None)
    if kind == "i":
        value = struct.pack(">q", int(text))
    elif kind == "u":
        value = struct.pack(">Q", int(text))
    elif kind == "B":
        value = b"\1" if text == "t" else b"\0"
    elif kind in "ab":
        value = bytes.fromhex(text)
    elif kind == "l":
        items = listing(text)
        if items is None:
            return bytes([ordinal, TAGS["b"]]) + length(None)
        value = struct.pack(">I", len(items)) + b"".join(
            length(None if item is None else item.encode()) for item in items)
    else:
        value = text.encode()
    return bytes([ordinal, TAGS[kind]]) + length(value)


def canonical(prefix, kinds, values):
    return bytes([prefix, 1]) + b"".join(
        field(n, kind, value) for n, (kind, value) in enumerate(zip(kinds, values), 1))


def moment(text):
    return struct.unpack(">q", bytes.fromhex(text))[0]


class Entry:
    def __init__(self, f):
        self.id, self.at, self.life, self.xid = int(f[0] or 0), moment(f[1]), int(f[2] or 0), int(f[3] or 0)
        self.kind, self.object, self.outcome, self.inputs = f[5], f[6], f[7], f[11]
        self.has_lead = f[17] == "t"
        self.leaf = sha(canonical(0, KINDS, f[:17]))
        self.fits = f[18] is not None and bytes.fromhex(f[18]) == self.leaf


class Seal:
    def __init__(self, f):
        self.block, self.life, self.xid_from, self.xid_to = int(f[0]), int(f[1]), int(f[2]), int(f[3])
        self.entries, self.tree_size = int(f[4]), int(f[8])
        dated = f[5] is not None and f[6] is not None
        self.first_at, self.last_at = (moment(f[5]), moment(f[6])) if dated else (0, 0)
        self.block_root, self.root, self.frontier, self.previous, self.hash, leaves, self.nodes = (
            None if f[n] is None else bytes.fromhex(f[n]) for n in (7, 9, 10, 11, 13, 14, 15))
        zero = b"\0" * 32
        hashed = list(f[:14])
        hashed[5:7] = f[5:7] if dated else (None, None)
        hashed[7] = (self.block_root if len(self.block_root or b"") == 32 else zero).hex()
        hashed[9] = (self.root if len(self.root or b"") == 32 else zero).hex()
        self.own_hash = sha(canonical(2, "iiuuiaabibbba", hashed[:13]))
        self.listed = [(struct.unpack(">q", leaves[n:n + 8])[0], leaves[n + 8:n + 40])
                       for n in range(0, len(leaves) - 39, 40)]
        self.whole = len(leaves) == self.entries * 40


def read(name):
    log = {"incarnation": [], "seal": [], "entry": [], "change": [], "message": []}
    with open(name, encoding="utf-8", newline="\n") as lines:
        for line in lines:
            kind, *f = [plain(x) for x in line.rstrip("\n").split("\t")]
            if kind == "nurture-export":
                log["lives"], log["next"] = int(f[1]), int(f[2])
            else:
                log[kind].append(f)
    log["seal"] = sorted((Seal(f) for f in log["seal"]), key=lambda s: s.block)
    log["entry"] = [Entry(f) for f in log["entry"]]
    return log


def check_block(seal, rows, found):
    by_id = {}
    for row in rows:
        by_id.setdefault(row.id, []).append(row)
    listed = {}
    for audit_id, leaf in seal.listed:
        listed.setdefault(audit_id, []).append(leaf)
    for audit_id in sorted(set(by_id) | set(listed)):
        here = sorted(by_id.get(audit_id, []), key=lambda e: e.leaf)
        for leaf in sorted(listed.get(audit_id, [])):
            match = next((e for e in here if e.leaf == leaf), here[0] if here else None)
            if match is None:
                found.append(["missing", seal.block, audit_id])
                continue
            here.remove(match)
            if match.leaf != leaf:
                late = not seal.first_at <= match.at <= seal.last_at
                found.append(["retimed" if late else "changed", seal.block, audit_id])
            elif not match.fits:
                found.append(["leaf", seal.block, audit_id])
        found.extend(["added", seal.block, audit_id] for _ in here)


def check_seals(log, found, sealed_to):
    tree, before = Tree(), None
    for seal in log["seal"]:
        bad = seal.own_hash != seal.hash or not seal.whole
        if seal.block != (before.block + 1 if before else 1):
            found.append(["missing_seal", seal.block, 0])
        elif seal.previous != (before.hash if before else None):
            bad = True
        made = [node for _, leaf in seal.listed for node in tree.add(leaf)]
        bad = bad or b"".join(made) != seal.nodes or root([leaf for _, leaf in seal.listed]) != seal.block_root
        bad = bad or (tree.size, tree.root(), b"".join(tree.peaks)) != (seal.tree_size, seal.root, seal.frontier)
        if 1 <= seal.life <= log["lives"]:
            bad = bad or seal.xid_from != sealed_to[seal.life] or seal.xid_to < seal.xid_from
            sealed_to[seal.life] = seal.xid_to
        else:
            bad = True
        if bad:
            found.append(["forged_seal", seal.block, 0])
            size = max(seal.tree_size, 0)
            tree = Tree(size, [seal.frontier[n:n + 32].ljust(32, b"\0") for n in range(0, 32 * bin(size).count("1"), 32)])
        check_block(seal, [e for e in log["entry"] if e.life == seal.life and seal.xid_from <= e.xid
                           and (e.xid < seal.xid_to or seal.xid_to == LAST_XID)], found)
        before = seal


def check_tables(log, found):
    changes = {"change:" + f[0]: (f[1], f[2]) for f in log["change"]}
    about = {}
    for entry in sorted(log["entry"], key=lambda e: e.id):
        if entry.kind == "change":
            about.setdefault(entry.object, []).append(entry)
            if changes.get(entry.object) != (entry.outcome, entry.inputs):
                found.append(["change_log", 0, entry.id])
    found.extend(["change_log", 0, 0] for name in changes if name not in about)
    last = {e.object: e for e in sorted(log["entry"], key=lambda e: e.id) if e.kind == "message"}
    messages = {"message:" + f[0]: f[1] for f in log["message"]}
    for name, entry in last.items():
        if (name not in messages and entry.has_lead
                or name in messages and entry.outcome == "refused" and messages[name] != "refused"):
            found.append(["message", 0, entry.id])
    found.extend(["message", 0, 0] for name in messages if name not in last)


def verify(log, digests):
    found, sealed_to = [], {life: 0 for life in range(1, log["lives"] + 1)}
    check_seals(log, found, sealed_to)
    for entry in log["entry"]:
        stray = entry.life not in sealed_to
        if not stray and entry.xid < sealed_to[entry.life]:
            continue
        if not entry.fits or stray or entry.life == log["lives"] and entry.xid >= log["next"]:
            found.append(["forged", 0, entry.id])
    check_tables(log, found)
    hashes = {seal.block: seal.hash for seal in log["seal"]}
    for _, block, head in log["incarnation"]:
        if block is not None and (hashes.get(int(block)) or b"").hex() != head:
            found.append(["incarnation", 0, 0])
    for digest in digests:
        if digest["block"] and digest["block"] not in hashes:
            found.append(["truncated", digest["block"], 0])
        elif digest["block"] and hashes[digest["block"]].hex() != digest["hash"]:
            found.append(["digest", digest["block"], 0])
    # missing in its block and turned up elsewhere: moved
    for gone in [f for f in found if f[0] == "missing"]:
        turned_up = [f for f in found if f[0] in ("added", "forged") and f[2] == gone[2] != 0]
        if turned_up:
            gone[0] = "moved"
            found = [f for f in found if f not in turned_up]
    return found


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        kept = json.load(file)
    for name in sys.argv[2:]:
        for finding in verify(read(name), kept if isinstance(kept, list) else [kept]):
            print(name, ":".join(str(part or "") for part in finding))
