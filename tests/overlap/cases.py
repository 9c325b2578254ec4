# SPDX-License-Identifier: Apache-2.0
"""Packets of a capture as objects that can be forged; see overlap and cost."""
import importlib.machinery
import importlib.util
import os
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
PLAINFLOW = os.environ.get("PLAINFLOW", "plainflow")
FORGE = os.environ.get("PLAINFLOW_FORGE", "plainflow-forge")
MASK = 0xFFFFFFFF


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
