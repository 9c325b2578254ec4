// SPDX-License-Identifier: Apache-2.0
/*
 * Targets: store/index, store/walkback, store/unpack: a result directory of anyone's making.
 *
 * Input:   u8 mode (1: make the checks of the entries right, so that what lies behind them is
 *          reached; 2: the direction), u24 position of the last entry, u16 length of the index,
 *          then the index, then the data file. Little-endian.
 */
#include "base/cursor.h"
#include "store/walkback.h"
#include "store/index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIX_CHECKS = 1, OTHER_DIRECTION = 2, FRONT = 6 };

/* Where entries follow each other as their lengths say, gives each the check that it should have.
 */
static void fix_checks(uint8_t *index, size_t len)
{
    size_t pos = PF_INDEX_FILE_HEADER;
    while (pos < len && len - pos >= PF_INDEX_ENTRY_HEADER) {
        uint32_t body_len;
        uint32_t check;
        struct pf_span head = {.ptr = index + pos, .len = PF_INDEX_ENTRY_HEADER};
        if (!pf_index_parse_header(head, &body_len, &check) ||
            body_len > len - pos - PF_INDEX_ENTRY_HEADER) {
            return;
        }
        uint8_t *body = index + pos + PF_INDEX_ENTRY_HEADER;
        check = pf_index_check((struct pf_span){.ptr = body, .len = body_len});
        for (unsigned i = 0; i < 4; i++) {
            index[pos + 4 + i] = (uint8_t)(check >> (8 * i));
        }
        pos += PF_INDEX_ENTRY_HEADER + body_len;
    }
}

static int memory_file(const uint8_t *ptr, size_t len)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || pwrite(fd, ptr, len, 0) != (ssize_t)len) {
        abort();
    }
    return fd;
}

static void walk(struct pf_walkback *c)
{
    struct pf_error err = {.status = PF_OK};
    const struct pf_index_entry *e;
    uint64_t offset = 0;
    while (pf_walkback_next(c, &e, &err) == PF_OK) {
        struct pf_span plain;
        if (e->offset != offset) {
            abort(); /* what pf_walkback_next promises */
        }
        if (pf_walkback_plain(c, &plain, &err) != PF_OK) {
            return;
        }
        offset += plain.len;
        struct pf_cur records = e->chunk.bytes;
        struct pf_record_entry r = {.packet = 0};
        for (uint32_t i = 0; e->kind != PF_INDEX_GAP && i < e->chunk.records; i++) {
            if (!pf_index_record(&records, i == 0, &r, &r)) {
                abort();
            }
        }
    }
}

static void run(uint8_t mode, uint64_t last, uint8_t *index, size_t index_len, const uint8_t *data,
                size_t data_len)
{
    struct pf_walkback *c = NULL;
    struct pf_error err = {.status = PF_OK};
    if ((mode & FIX_CHECKS) != 0) {
        fix_checks(index, index_len);
    }
    struct pf_walkback_files files = {.index_fd = memory_file(index, index_len),
                                   .data_fd = memory_file(data, data_len),
                                   .index_size = index_len,
                                   .data_size = data_len};
    enum pf_dir dir = (mode & OTHER_DIRECTION) != 0 ? PF_S2C : PF_C2S;
    if (pf_walkback_new(&c) == PF_OK && pf_walkback_start_files(c, files, dir, last, &err) == PF_OK) {
        walk(c);
        err.status = PF_OK;
        if (pf_walkback_seek(c, 3500, &err) == PF_OK) {
            const struct pf_index_entry *e;
            (void)(pf_walkback_next(c, &e, &err) == PF_OK);
        }
    }
    pf_walkback_free(c);
    (void)close(files.index_fd);
    (void)close(files.data_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < FRONT) {
        return 0;
    }
    uint64_t last = (uint64_t)data[1] | (uint64_t)data[2] << 8 | (uint64_t)data[3] << 16;
    size_t index_len = (size_t)data[4] | (size_t)data[5] << 8;
    index_len = index_len < size - FRONT ? index_len : size - FRONT;
    uint8_t *index = malloc(index_len + 1);
    if (index == NULL) {
        abort();
    }
    memcpy(index, data + FRONT, index_len);
    run(data[0], last, index, index_len, data + FRONT + index_len, size - FRONT - index_len);
    free(index);
    return 0;
}
