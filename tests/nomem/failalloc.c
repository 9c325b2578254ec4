// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into the program: the allocation number PF_FAIL_AT fails (1 is the first), with
 * PF_FAIL_ON all behind it too. With PF_FAIL_COUNT the number of allocations is written to that
 * file at exit. glibc only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong seen;
static unsigned long fail_at;
static int fail_on;

__attribute__((constructor)) static void read_environment(void)
{
    const char *at = getenv("PF_FAIL_AT");
    fail_at = at != NULL ? strtoul(at, NULL, 10) : 0;
    fail_on = getenv("PF_FAIL_ON") != NULL;
    atomic_store(&seen, 0);
}

__attribute__((destructor)) static void write_count(void)
{
    const char *path = getenv("PF_FAIL_COUNT");
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd >= 0) {
        dprintf(fd, "%lu\n", atomic_load(&seen));
        close(fd);
    }
}

static int fails(void)
{
    unsigned long n = atomic_fetch_add(&seen, 1) + 1;
    if (fail_at == 0 || (fail_on ? n < fail_at : n != fail_at)) {
        return 0;
    }
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (fails()) {
        return ENOMEM;
    }
    *out = __libc_memalign(alignment, size);
    return *out != NULL ? 0 : ENOMEM;
}
