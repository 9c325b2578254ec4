# SPDX-License-Identifier: Apache-2.0
"""What the tests of gaps share: captures taken apart, packets taken out, results read back.

A clean capture of one connection is decrypted once; its index says which records there are. Every
variant of it lacks some packets, and from where its records lie in the stream follows what has to
come out, byte for byte, and which gaps have to be told. Many variants go into one capture, each
with a client port of its own.
"""
import importlib.machinery
import importlib.util
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
PLAINFLOW = os.environ.get("PLAINFLOW", "plainflow")
FORGE = os.environ.get("PLAINFLOW_FORGE", "plainflow-forge")


def load(name):
    path = os.path.join(HERE, "..", "support", name)
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


pcap_edit = load("pcap_edit")

SUITES = {
    "gcm-12": "--suite ECDHE-RSA-AES128-GCM-SHA256",
    "gcm-12-rsa": "--suite AES256-GCM-SHA384",
    "ccm-12": "--suite ECDHE-ECDSA-AES128-CCM",
    "ccm8-12": "--suite ECDHE-ECDSA-AES256-CCM8",
    "chacha-12": "--suite ECDHE-RSA-CHACHA20-POLY1305",
    "cbc-10": "--suite AES128-SHA --version tls1.0 --etm off",
    "cbc-10-etm": "--suite ECDHE-RSA-AES256-SHA --version tls1.0",
    "cbc-11": "--suite ECDHE-RSA-AES128-SHA --version tls1.1 --etm off",
    "cbc-11-etm": "--suite AES256-SHA --version tls1.1",
    "cbc-12": "--suite AES128-SHA --etm off",
    "cbc-12-etm": "--suite ECDHE-RSA-AES128-SHA",
    "cbc256-12": "--suite AES128-SHA256 --etm off",
    "cbc256-12-etm": "--suite DHE-RSA-AES256-SHA256",
    "cbc384-12": "--suite ECDHE-RSA-AES256-SHA384 --etm off",
    "camellia-12": "--suite DHE-RSA-CAMELLIA128-SHA256",
    "aria-12": "--suite ECDHE-ARIA128-GCM-SHA256",
    "rc4-10": "--suite RC4-MD5 --version tls1.0",
    "rc4-12": "--suite RC4-SHA",
    "gcm-13": "--suite TLS_AES_128_GCM_SHA256",
    "gcm256-13": "--suite TLS_AES_256_GCM_SHA384",
    "chacha-13": "--suite TLS_CHACHA20_POLY1305_SHA256",
    "ccm-13": "--suite TLS_AES_128_CCM_SHA256",
    "ccm8-13": "--suite TLS_AES_128_CCM_8_SHA256",
    "gcm-13-update": "--suite TLS_AES_128_GCM_SHA256 --key-update 5",
    "chacha-13-update": "--suite TLS_CHACHA20_POLY1305_SHA256 --key-update 5",
}

# ---- captures

# number: place in the capture; start, end: of its payload in the direction's stream
Packet = namedtuple("Packet", "number side start end frame time tcp_at")
# A TLS record on the wire; parts: numbers of the packets that carry it
Frame = namedtuple("Frame", "start end type parts")
# An application data record of the clean capture
Record = namedtuple("Record", "frame offset length seq")
# What a result says of one gap
Gap = namedtuple("Gap", "offset records bytes cipher before after")


class Capture:
    """A clean capture of one connection: packets in order, both streams without holes."""

    def __init__(self, path):
        header, order, raw = pcap_edit.read(path)
        assert order == "<"
        self.header, self.packets = header, []
        self.streams = [bytearray(), bytearray()]
        client, first = None, [None, None]
        for number, (seconds, fraction, frame) in enumerate(raw):
            link, ip, tcp, payload = pcap_edit.dissect(frame)
            source, _, seq = struct.unpack_from(">HHI", tcp)
            client = source if client is None else client
            side = 0 if source == client else 1
            if tcp[13] & 2:
                first[side] = seq + 1
                seq += 1
            start = (seq - first[side]) & 0xFFFFFFFF
            assert not payload or start == len(self.streams[side]), "the clean capture has a hole"
            self.streams[side] += payload
            self.packets.append(Packet(number, side, start, start + len(payload), frame,
                                       (seconds, fraction), len(link) + len(ip)))
        self.client_port = client
        self.frames = [self._frames(side) for side in (0, 1)]

    def _frames(self, side):
        stream, at, frames = self.streams[side], 0, []
        packets = [p for p in self.packets if p.side == side and p.end > p.start]
        k = 0
        while at < len(stream):
            end = at + 5 + struct.unpack_from(">H", stream, at + 3)[0]
            while packets[k].end <= at:
                k += 1
            n = k
            parts = []
            while n < len(packets) and packets[n].start < end:
                parts.append(packets[n].number)
                n += 1
            frames.append(Frame(at, end, stream[at], tuple(parts)))
            at = end
        return frames

    def data_packets(self):
        return [p.number for p in self.packets if p.end > p.start]


def renumbered(frame, tcp_at, old_port, new_port):
    """The frame with another client port; the checksum follows (RFC 1624)."""
    out = bytearray(frame)
    ports = struct.unpack_from(">HH", frame, tcp_at)
    at = tcp_at if ports[0] == old_port else tcp_at + 2
    struct.pack_into(">H", out, at, new_port)
    check = struct.unpack_from(">H", out, tcp_at + 16)[0]
    total = (~check & 0xFFFF) + (~old_port & 0xFFFF) + new_port
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into(">H", out, tcp_at + 16, ~total & 0xFFFF)
    return bytes(out)


def write_variants(capture, variants, path):
    """One flow per variant. A variant says of some packets how many bytes of payload are left of
    them; of 0 they are not in the capture at all. Returns for each the number that a packet has in
    the new capture (from 1)."""
    places = []
    count = 0
    with open(path, "wb") as file:
        file.write(capture.header)
        for k, kept in enumerate(variants):
            place = {}
            for p in capture.packets:
                left = kept.get(p.number)
                if left == 0:
                    continue
                count += 1
                place[p.number] = count
                frame = renumbered(p.frame, p.tcp_at, capture.client_port, 1024 + k)
                length = len(frame)
                if left is not None:
                    frame = frame[:length - (p.end - p.start) + left]
                # A minute apart, so that no flow runs into another's.
                file.write(struct.pack("<IIII", p.time[0] + 60 * k, p.time[1], len(frame), length)
                           + frame)
            places.append(place)
    return places


# ---- results (the formats are those of src/store/index.h)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def zigzag(data, at):
    value, at = varint(data, at)
    return (value >> 1) ^ -(value & 1), at


class Result:
    """A result directory written with --compress none."""

    def __init__(self, path):
        with open(f"{path}/flows.jsonl", encoding="utf-8") as file:
            self.flows = [json.loads(line) for line in file]
        self.path, self.files = path, {}

    def _file(self, name):
        if name not in self.files:
            with open(f"{self.path}/data/{name}", "rb") as file:
                self.files[name] = file.read()
        return self.files[name]

    def direction(self, flow, side):
        """-> (plaintext, records as (packet, seq, length, type), gaps)"""
        row = 16 + 64 * (flow - 1)
        _, _, worker = struct.unpack_from("<QII", self._file("flows.idx"), row)
        last, = struct.unpack_from("<Q", self._file("flows.idx"), row + 16 + 24 * side)
        index = self._file(f"{worker:03}.idx")
        entries, at = [], last
        while at:
            length, = struct.unpack_from("<I", index, at)
            body = index[at + 8:at + 8 + length]
            kind = body[0] & 15
            back, place = varint(body, 1)
            offset, place = varint(body, place)
            entries.append((kind, offset, body, place))
            at = at - back if back else 0
        plain, records, gaps = [], [], []
        for kind, offset, body, place in reversed(entries):
            if kind == 2:
                numbers = []
                for _ in range(5):
                    number, place = varint(body, place)
                    numbers.append(number)
                lost = [n - 1 if n else None for n in numbers[:2]]
                gaps.append(Gap(offset, *lost, *numbers[2:]))
                continue
            if kind == 3: # what was sent in the clear before TLS is no plaintext
                continue
            length, place = varint(body, place)
            pos, place = varint(body, place)
            _, place = varint(body, place)
            count, place = varint(body, place)
            plain.append(self._file(f"{worker:03}.raw")[pos:pos + length])
            packet = seq = 0
            for n in range(count):
                size, place = varint(body, place)
                kind, place = body[place], place + 1
                step, place = zigzag(body, place)
                packet += step
                _, place = zigzag(body, place)
                step, place = zigzag(body, place)
                seq += step + (1 if n else 0)
                records.append((packet, seq, size, kind))
        return b"".join(plain), records, gaps


def run(*arguments, ok=(0,)):
    done = subprocess.run([str(a) for a in arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode not in ok:
        raise RuntimeError(f"exit {done.returncode}: {' '.join(map(str, arguments))}\n"
                           + done.stdout.decode(errors="replace")[-2000:])
    return done.stdout.decode(errors="replace")


def decrypt(capture, result, *options):
    shutil.rmtree(result, ignore_errors=True)
    run(PLAINFLOW, "decrypt", "-q", "--compress", "none", "-o", result, *options, capture,
        ok=(0, 3))
    return Result(result)


# ---- what has to come out


class Clean:
    """A clean capture, decrypted: its records, by where they lie. first_sealed: the first frame
    under keys; epoch: which keys each frame is under."""

    def __init__(self, path, result, *options, etm=True):
        self.capture, self.etm = Capture(path), etm
        res = decrypt(path, result, *options)
        assert len(res.flows) == 1
        self.flow = res.flows[0]
        assert self.flow["status"] == "decrypted", self.flow
        self.tls13 = self.flow["version"] == "TLSv13"
        self.plain, self.records = [], []
        for side in (0, 1):
            plain, table, gaps = res.direction(1, side)
            assert not gaps
            self.plain.append(plain)
            self.records.append(self._place(side, table))
        self.first_sealed = [self._first_sealed(side) for side in (0, 1)]
        self.epoch = [self._epochs(side) for side in (0, 1)]

    def _first_sealed(self, side):
        types = [f.type for f in self.capture.frames[side]]
        return types.index(23) if self.tls13 else types.index(20) + 1

    def _epochs(self, side):
        """TLS 1.3: the handshake's keys, then those of each KeyUpdate; a number starts over."""
        seqs = {r.frame.start: r.seq for r in self.records[side]}
        frames, epochs, epoch, last = self.capture.frames[side], [], 0, None
        data = [k for k, f in enumerate(frames) if f.start in seqs]
        for k, frame in enumerate(frames):
            if not self.tls13:
                epochs.append(0)
                continue
            if frame.start in seqs:
                # The records under traffic keys before the first of application data: tickets.
                begins = k - seqs[frame.start]
                if last is None or seqs[frame.start] < last:
                    epoch += 1
                    for n in range(begins, k):
                        epochs[n] = epoch
                last = seqs[frame.start]
            epochs.append(epoch)
        assert data
        return epochs

    def _place(self, side, table):
        """Which frame holds which record: by the packet that completes it, and in order."""
        records, offset, k = [], 0, 0
        frames = self.capture.frames[side]
        for packet, seq, length, _ in table:
            while not (frames[k].type == 23 and frames[k].parts[-1] + 1 == packet and
                       (not self.tls13 or frames[k].end - frames[k].start - 5 - length in (17, 9))):
                k += 1
            records.append(Record(frames[k], offset, length, seq))
            offset += length
            k += 1
        return records


class Checks:
    def __init__(self):
        self.count, self.failures = 0, 0

    def that(self, condition, *what):
        self.count += 1
        if not condition:
            self.failures += 1
            if self.failures <= 40:
                print("FAILED:", *what)
        return condition

    def conclude(self):
        print(f"{self.count} checks, {self.failures} failed")
        sys.exit(0 if self.count and not self.failures else 1)


class Workplace:
    """A folder that goes away."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="plainflow-test.")
        return self

    def __exit__(self, *_):
        if not os.environ.get("PF_KEEP"):
            shutil.rmtree(self.path, ignore_errors=True)

    def __truediv__(self, name):
        return os.path.join(self.path, name)


def forge(work, name, *options):
    path = work / f"{name}.pcap"
    run(FORGE, *options, "-o", path)
    return path


def clean_capture(work, name, shape):
    """-> (the clean capture of a suite, its key log)"""
    path = forge(work, name, *shape, *SUITES[name].split())
    keylog = work / f"{name}.keylog"
    return Clean(path, work / "clean", "-l", keylog, etm="--etm off" not in SUITES[name]), keylog


def chosen(suites, patterns):
    return [name for name in suites if not patterns or name.startswith(tuple(patterns))]
