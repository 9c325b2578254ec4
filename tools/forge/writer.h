// SPDX-License-Identifier: Apache-2.0
/*
 * What:    the capture file: pcap or pcapng, through one large buffer.
 * Owns:    the file and the buffer, from open to close.
 * Threads: -
 * Errors:  a write that fails ends the program.
 * Limits:  frames up to FORGE_FRAME_MAX.
 */
#ifndef FORGE_WRITER_H
#define FORGE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FORGE_FRAME_MAX = 66000 };

struct forge_writer {
    const char *path;
    char *part_path; /* with secrets in front: packets go here until the secrets are known */
    int fd;
    bool nano;
    bool pcapng;
    uint8_t *buf;
    size_t len;
    uint64_t packets;
    uint64_t bytes; /* of the capture file so far */
};

/* `secrets_first`: forge_writer_close puts its secrets before the packets. */
void forge_writer_open(struct forge_writer *w, const char *path, bool pcapng, bool nano,
                       bool secrets_first);
void forge_writer_packet(struct forge_writer *w, int64_t ts_ns, const uint8_t *frame, size_t len);

/* `secrets` (a key log, may be NULL) becomes a Decryption Secrets Block: pcapng only. */
void forge_writer_close(struct forge_writer *w, const char *secrets, size_t secrets_len);

#endif
