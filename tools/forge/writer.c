// SPDX-License-Identifier: Apache-2.0
#include "forge/writer.h"

#include "forge/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BUF_CAP = 1 << 20,
    SNAPLEN = 262144,
    LINK_ETHERNET = 1,
    BLOCK_SHB = 0x0a0d0d0a,
    BLOCK_IDB = 1,
    BLOCK_EPB = 6,
    BLOCK_DSB = 10,
    SECRETS_TLS_KEY_LOG = 0x544c534b
};

static int create(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        forge_die("%s: %s", path, strerror(errno));
    }
    return fd;
}

static void write_all(int fd, const char *path, const void *src, size_t len)
{
    const uint8_t *p = src;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            forge_die("%s: %s", path, strerror(errno));
        }
        p += n;
        len -= (size_t)n;
    }
}

static void flush(struct forge_writer *w)
{
    write_all(w->fd, w->path, w->buf, w->len);
    w->bytes += w->len;
    w->len = 0;
}

static void put(struct forge_writer *w, const void *src, size_t len)
{
    const uint8_t *p = src;
    while (len > 0) {
        if (w->len == BUF_CAP) {
            flush(w);
        }
        size_t n = len < BUF_CAP - w->len ? len : BUF_CAP - w->len;
        memcpy(w->buf + w->len, p, n);
        w->len += n;
        p += n;
        len -= n;
    }
}

/* The file is in this machine's byte order, as pcap and pcapng allow. */
static void put_pcap_header(struct forge_writer *w)
{
    uint32_t magic = w->nano ? 0xa1b23c4d : 0xa1b2c3d4;
    uint16_t version[2] = {2, 4};
    uint32_t rest[4] = {0, 0, SNAPLEN, LINK_ETHERNET};
    put(w, &magic, sizeof magic);
    put(w, version, sizeof version);
    put(w, rest, sizeof rest);
}

static void put_pcapng_headers(struct forge_writer *w)
{
    uint32_t shb[7] = {BLOCK_SHB, 28, 0x1a2b3c4d, 0, UINT32_MAX, UINT32_MAX, 28};
    uint16_t version[2] = {1, 0};
    memcpy(&shb[3], version, sizeof version);
    put(w, shb, sizeof shb);

    /* One interface; if_tsresol is option 9, one byte, the power of ten. */
    uint32_t idb[8] = {BLOCK_IDB, 32, LINK_ETHERNET, SNAPLEN, 0, 0, 0, 32};
    uint16_t option[2] = {9, 1};
    uint8_t resolution[4] = {w->nano ? 9 : 6};
    memcpy(&idb[4], option, sizeof option);
    memcpy(&idb[5], resolution, sizeof resolution);
    put(w, idb, sizeof idb);
}

static void put_secrets(struct forge_writer *w, const char *secrets, size_t len)
{
    static const uint8_t ZERO[4] = {0};
    size_t pad = (4 - len % 4) % 4;
    if (len > UINT32_MAX - 64) {
        forge_die("the key log is too large for one Decryption Secrets Block");
    }
    uint32_t total = (uint32_t)(20 + len + pad);
    uint32_t head[4] = {BLOCK_DSB, total, SECRETS_TLS_KEY_LOG, (uint32_t)len};
    put(w, head, sizeof head);
    put(w, secrets, len);
    put(w, ZERO, pad);
    put(w, &total, sizeof total);
}

void forge_writer_open(struct forge_writer *w, const char *path, bool pcapng, bool nano,
                       bool secrets_first)
{
    *w = (struct forge_writer){.path = path, .pcapng = pcapng, .nano = nano};
    w->buf = forge_alloc(BUF_CAP);
    if (secrets_first) {
        size_t len = strlen(path) + sizeof ".part";
        w->part_path = forge_alloc(len);
        snprintf(w->part_path, len, "%s.part", path);
        w->fd = create(w->part_path);
        return;
    }
    w->fd = create(path);
    if (pcapng) {
        put_pcapng_headers(w);
    } else {
        put_pcap_header(w);
    }
}

void forge_writer_packet(struct forge_writer *w, int64_t ts_ns, const uint8_t *frame, size_t len)
{
    static const uint8_t ZERO[4] = {0};
    uint64_t unit = w->nano ? 1 : 1000;
    uint64_t ts = (uint64_t)ts_ns / unit;
    uint32_t n = (uint32_t)len;
    w->packets++;
    if (!w->pcapng) {
        uint64_t per_second = UINT64_C(1000000000) / unit;
        uint32_t head[4] = {(uint32_t)(ts / per_second), (uint32_t)(ts % per_second), n, n};
        put(w, head, sizeof head);
        put(w, frame, len);
        return;
    }
    uint32_t pad = (4 - n % 4) % 4;
    uint32_t total = 32 + n + pad;
    uint32_t head[7] = {BLOCK_EPB, total, 0, (uint32_t)(ts >> 32), (uint32_t)ts, n, n};
    put(w, head, sizeof head);
    put(w, frame, len);
    put(w, ZERO, pad);
    put(w, &total, sizeof total);
}

/* Headers, secrets, then what was written apart. */
static void join_part(struct forge_writer *w, const char *secrets, size_t secrets_len)
{
    int part = w->fd;
    w->fd = create(w->path);
    w->bytes = 0;
    put_pcapng_headers(w);
    put_secrets(w, secrets, secrets_len);
    flush(w);
    if (lseek(part, 0, SEEK_SET) != 0) {
        forge_die("%s: %s", w->part_path, strerror(errno));
    }
    for (;;) {
        ssize_t n = read(part, w->buf, BUF_CAP);
        if (n < 0) {
            forge_die("%s: %s", w->part_path, strerror(errno));
        }
        if (n == 0) {
            break;
        }
        w->len = (size_t)n;
        flush(w);
    }
    close(part);
    unlink(w->part_path);
}

void forge_writer_close(struct forge_writer *w, const char *secrets, size_t secrets_len)
{
    if (w->part_path != NULL) {
        flush(w);
        join_part(w, secrets, secrets_len);
    } else if (secrets != NULL) {
        put_secrets(w, secrets, secrets_len);
    }
    flush(w);
    if (close(w->fd) != 0) {
        forge_die("%s: %s", w->path, strerror(errno));
    }
    free(w->part_path);
    free(w->buf);
    w->buf = NULL;
}
