# SPDX-License-Identifier: Apache-2.0
"""Packets of a capture as objects that can be forged; see overlap and cost; and what a run costs."""
import importlib.machinery
import importlib.util
import os
import pathlib
import resource
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PLAINFLOW = os.environ.get("PLAINFLOW", "plainflow")
FORGE = os.environ.get("PLAINFLOW_FORGE", "plainflow-forge")
MASK = 0xFFFFFFFF
LIMIT = 2.0  # times the clean capture's processor time
ROUNDS, MOST_ROUNDS = 3, 9


def pcap_edit():
    loader = importlib.machinery.SourceFileLoader("pcap_edit", str(HERE.parent / "support/pcap_edit"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pcap_edit", loader))
    loader.exec_module(module)
    return module


sys.dont_write_bytecode = True
edit = pcap_edit()


class Packet:
    """A TCP packet of IPv4 over Ethernet; `bad_sum` keeps a wrong checksum wrong."""

    def __init__(self, frame=None, time=0):
        if frame is None:
            return
        self.link, ip, tcp, self.payload = edit.dissect(frame)
        self.ip, self.tcp = bytearray(ip), bytearray(tcp)
        self.time = time
        self.seq, self.ack = struct.unpack_from(">II", self.tcp, 4)
        self.flags = self.tcp[13]
        self.from_server = struct.unpack_from(">H", self.tcp)[0] == 443
        self.urgent, self.bad_sum, self.options, self.forged = 0, False, True, False
        self.clear = False  # brings bytes that no keys protect

    def copy(self, **changes):
        new = Packet()
        new.__dict__.update(self.__dict__)
        new.ip, new.tcp = bytearray(self.ip), bytearray(self.tcp)
        for name, value in changes.items():
            if name == "ttl":
                new.ip[8] = value
            elif name == "old_timestamp":
                value = struct.unpack_from(">I", new.tcp, 24)[0]
                struct.pack_into(">I", new.tcp, 24, (value - 100000) & MASK)
            else:
                setattr(new, name, value)
        return new

    def own_frame(self):
        """As it was read, with what was changed."""
        at = 16 if self.from_server else 12
        host = struct.unpack_from(">I", self.ip, at)[0] - 0x0A000000
        return self.frame(host, struct.unpack_from(">H", self.tcp, 2 if self.from_server else 0)[0])

    def frame(self, host, port):
        """With this client address (of 10.0.0.0/8) and port."""
        ip, tcp = bytearray(self.ip), bytearray(self.tcp)
        if not self.options:
            tcp = tcp[:20]
            tcp[12] = 5 << 4
        client = struct.pack(">I", 0x0A000000 + host)
        at = 16 if self.from_server else 12
        ip[at:at + 4] = client
        struct.pack_into(">H", tcp, 2 if self.from_server else 0, port)
        struct.pack_into(">II", tcp, 4, self.seq & MASK, self.ack & MASK)
        tcp[13] = self.flags
        struct.pack_into(">H", tcp, 18, self.urgent)
        frame = edit.assemble(self.link, ip, tcp, self.payload)
        if self.bad_sum:
            at = len(self.link) + len(ip) + 16
            frame = frame[:at] + bytes([frame[at] ^ 0x55]) + frame[at + 1:]
        return frame


def false_bytes(data, dice):
    """As long as data, and different everywhere."""
    return bytes(b ^ dice.randint(1, 255) for b in data)


def forge(base, flows, flow_bytes, record_bytes, *options):
    subprocess.run([FORGE, "--flows", str(flows), "--concurrent", "1", "--bytes",
                    str(flow_bytes), "--record-bytes", str(record_bytes), "--content", "text",
                    "--seed", "4", *options, "-o", f"{base}.pcap"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def seconds(capture, secrets, result):
    """Processor time of a run."""
    def used():
        r = resource.getrusage(resource.RUSAGE_CHILDREN)
        return r.ru_utime + r.ru_stime
    before = used()
    done = subprocess.run([PLAINFLOW, "decrypt", "-q", "--force", "-j", "1", *secrets, "-o",
                           str(result), str(capture)], check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"exit {done.returncode}")
    return used() - before


def ratio(clean, target, secrets, result):
    """How many times the time of the clean capture the other one takes; if it is larger, the time
    of as many bytes of clean ones."""
    least = {clean: 1e9, target: 1e9}
    growth = max(1, os.path.getsize(target) / os.path.getsize(clean))
    for n in range(MOST_ROUNDS):
        for capture in least:
            least[capture] = min(least[capture], seconds(capture, secrets, result))
        if n + 1 >= ROUNDS and least[target] <= LIMIT * growth * least[clean]:
            break
    return least[target] / growth / least[clean]
