# SPDX-License-Identifier: Apache-2.0
"""What a capture that lacks packets must give, from where the records lie in a clean one."""

from gaplib import Gap

EXACT = ("GCM", "CCM", "CHACHA20", "RC4", "NULL")


class Expected:
    """One direction: the plaintext that comes out, the records that do not, the gaps."""


def is_chained(clean):
    return clean.flow["version"] in ("SSLv3", "TLSv10") and "_CBC_" in clean.flow["cipher"]


def has_exact_lengths(clean):
    return any(part in clean.flow["cipher"] for part in EXACT)


def holes_of(clean, side, kept):
    """What of the stream was not captured."""
    holes = []
    for p in clean.capture.packets:
        if p.side == side and p.number in kept and p.end > p.start + kept[p.number]:
            start = p.start + kept[p.number]
            if holes and holes[-1][1] == start:
                holes[-1] = (holes[-1][0], p.end)
            else:
                holes.append((start, p.end))
    return holes


def touched_frames(clean, side, holes):
    touched, k = [], 0
    for f in clean.capture.frames[side]:
        while k < len(holes) and holes[k][1] <= f.start:
            k += 1
        touched.append(k < len(holes) and holes[k][0] < f.end)
    return touched


def without_iv(clean, side, touched, holes):
    """Chained CBC: records whose IV, the last block before them (and before the MAC of RFC 7366),
    was not captured, or not without a hole behind it."""
    frames = clean.capture.frames[side]
    mac = 20 if clean.etm else 0
    if not is_chained(clean):
        return set()
    first = clean.first_sealed[side]
    return {k for k in range(first + 1, len(frames)) if not touched[k] and touched[k - 1] and
            any(a < frames[k - 1].end and b > frames[k - 1].end - mac - 16 for a, b in holes)}


def runs_of(touched, first):
    """Touched frames side by side, from frame number `first` on."""
    runs = []
    for k in range(first, len(touched)):
        if touched[k]:
            if runs and runs[-1][-1] == k - 1:
                runs[-1].append(k)
            else:
                runs.append([k])
    return runs


def packet_at(clean, side, kept, place, position, forward):
    """The captured packet that brings the byte at position, or the next one in that direction."""
    best = 0
    for p in clean.capture.packets:
        end = p.start + kept.get(p.number, p.end - p.start)
        if p.side != side or end == p.start:
            continue
        if forward and end > position:
            return place[p.number]
        if not forward and p.start < position:
            best = place[p.number]
    return best


def expect(clean, side, kept, place):
    """kept: packets of which only so many bytes of payload were captured."""
    e = Expected()
    frames = clean.capture.frames[side]
    holes = holes_of(clean, side, kept)
    e.touched = touched_frames(clean, side, holes)
    # With a key log the client's hello can be done without, and in TLS 1.3 the server's.
    e.possible = not e.touched[0] or side == 0 or clean.tls13
    for k in without_iv(clean, side, e.touched, holes):
        e.touched[k] = True
    gone = {frames[k].start for k in range(len(frames)) if e.touched[k]}
    records = clean.records[side]
    e.kept = [r for r in records if r.frame.start not in gone]
    e.lost = [r for r in records if r.frame.start in gone]
    e.plain = b"".join(clean.plain[side][r.offset:r.offset + r.length] for r in e.kept)
    e.gaps = []
    for run in runs_of(e.touched, clean.first_sealed[side]):
        e.gaps.append(expect_gap(clean, side, e, run, holes, kept, place))
    return e


def is_other(clean, side, k, holes):
    """Known to hold no application data: Finished, the handshake of TLS 1.3, and what says so in a
    header that was captured."""
    frame = clean.capture.frames[side][k]
    if clean.tls13:
        return clean.epoch[side][k] == 0
    header_seen = not any(a < frame.start + 5 and b > frame.start for a, b in holes)
    return k == clean.first_sealed[side] or (frame.type != 23 and header_seen)


def expect_gap(clean, side, e, run, holes, kept, place):
    """(the gap, whether it has to be told, whether the number of its records can be known, whether
    all of them held application data)"""
    frames = clean.capture.frames[side]
    start, end = frames[run[0]].start, frames[run[-1]].end
    by_frame = {r.frame.start: r for r in clean.records[side]}
    lost = [by_frame[frames[k].start] for k in run if frames[k].start in by_frame]
    inside = [(a, b) for a, b in holes if a < end and b > start]
    offset = sum(r.length for r in e.kept if r.frame.start < start)
    before = packet_at(clean, side, kept, place, inside[0][0] if inside else start, False)
    after = packet_at(clean, side, kept, place, inside[-1][1] if inside else end, True)
    other = sum(is_other(clean, side, k, holes) for k in run)
    gap = Gap(offset, len(run) - other, sum(r.length for r in lost),
              sum(b - a for a, b in inside), before, after)
    # Where an epoch ended is not known when its last records are lost.
    epochs = set(clean.epoch[side][run[0]:run[-1] + 2])
    at_end = run[-1] == len(frames) - 1
    return gap, bool(lost), len(epochs) == 1 and not at_end, len(lost) == len(run) - other


def check_gap(checks, what, clean, got, wanted):
    gap, _, countable, only_data = wanted
    checks.that(got.offset == gap.offset, what, "offset", got, gap)
    checks.that(got.cipher == gap.cipher, what, "ciphertext lost", got, gap)
    checks.that(got.before == gap.before, what, "packet before", got, gap)
    checks.that(got.after == gap.after, what, "packet after", got, gap)
    if countable or got.records is not None:
        checks.that(got.records == gap.records, what, "records lost", got, gap)
    if not has_exact_lengths(clean):
        checks.that(got.bytes is None or got.bytes == gap.bytes, what, "bytes lost", got, gap)
    elif only_data and (countable or got.bytes is not None):
        checks.that(got.bytes == gap.bytes, what, "bytes lost", got, gap)


def check_direction(checks, what, clean, expected, result, number, side):
    what = f"{what} {('c2s', 's2c')[side]}:"
    plain, records, gaps = result.direction(number, side)
    flow = result.flows[number - 1][("c2s", "s2c")[side]]
    checks.that(plain == expected.plain, what, len(plain), "bytes, not", len(expected.plain))
    checks.that([r[1:3] for r in records] == [(r.seq, r.length) for r in expected.kept], what,
                len(records), "records, not", len(expected.kept))
    told = [g for g in expected.gaps]
    if len(gaps) != len(told): # one of what no application data is known to be in may be left out
        told = [g for g in told if g[1]]
    if checks.that(len(gaps) == len(told), what, "gaps", gaps, "not", [g[0] for g in told]):
        for got, wanted in zip(gaps, told):
            check_gap(checks, what, clean, got, wanted)
    names = ("offset", "records", "bytes", "packet", "packet_before", "cipher_bytes")
    shown = [tuple(g[name] for name in names) for g in flow["gaps"]]
    told = [(g.offset, g.records, g.bytes, g.after or None, g.before or None, g.cipher)
            for g in gaps]
    checks.that(shown == told, what,
                "flows.jsonl tells other gaps than the index")
    for name in ("records", "bytes"):
        numbers = [getattr(g, name) for g in gaps]
        total = None if None in numbers else sum(numbers)
        checks.that(flow[f"missing_{name}"] == total, what, f"missing_{name}",
                    flow[f"missing_{name}"], "not", total)


def check_flow(checks, what, clean, expected, result, number):
    flow = result.flows[number - 1]
    state = (flow["status"], flow["reason"])
    if not expected[0].possible or not expected[1].possible:
        checks.that(state == ("locked", "handshake_cut"), what, state)
        return
    for side in (0, 1):
        check_direction(checks, what, clean, expected[side], result, number, side)
    if any(e.lost for e in expected):
        checks.that(state == ("partial", "bytes_missing"), what, state)
    else: # an alert, or a part of the handshake that a key log makes up for
        checks.that(state in (("decrypted", None), ("partial", "bytes_missing")), what, state)
