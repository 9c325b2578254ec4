// SPDX-License-Identifier: Apache-2.0
/* pf_source_next and pf_pcapng_scan_secrets: the input is a capture file, compressed or not. */
#include "capture/pcapng.h"
#include "capture/source.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const uint8_t *p, size_t n)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < n; i += 64) {
        sum = (uint8_t)(sum + p[i]);
    }
    if (n > 0) {
        sum = (uint8_t)(sum + p[n - 1]);
    }
}

static void read_all(const char *path)
{
    struct pf_source *s;
    struct pf_item item;
    struct pf_error err = {0};
    uint64_t last = 0;
    if (pf_source_new(&path, 1, NULL, &s, &err) != PF_OK) {
        return;
    }
    while (pf_source_next(s, &item) == PF_OK) {
        if (item.kind == PF_ITEM_SECRETS) {
            touch(item.secrets.ptr, item.secrets.len);
            continue;
        }
        touch(item.data, item.caplen);
        if (item.caplen > PF_FRAME_MAX || item.caplen > item.len || item.number != ++last) {
            abort();
        }
    }
    const struct pf_source_input *in = pf_source_input(s, 0);
    if (in->packets != last || (in->status == PF_OK) != (in->message[0] == '\0')) {
        abort();
    }
    pf_source_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    struct pf_buf secrets;
    struct pf_error err = {0};
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_all(path);
    pf_buf_init(&secrets, 1 << 20, NULL);
    if (pf_pcapng_scan_secrets(path, &secrets, &err) == PF_OK && secrets.len > 0 &&
        secrets.ptr[secrets.len - 1] != '\n') {
        abort();
    }
    pf_buf_fini(&secrets);
    close(fd);
    return 0;
}
