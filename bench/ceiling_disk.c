// SPDX-License-Identifier: Apache-2.0
/*
 * How long the disk takes for so many bytes until they are safe: a file per thread, written as
 * results are (the disk is told to begin every 8 MiB, what has arrived leaves the page cache,
 * fdatasync at the end), with nothing else to do. By the clock on the wall: a thread that waits for
 * the disk takes no processor time.
 */
#include "ceiling.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1 << 20, WRITE_BACK = 8 << 20, WRITE_BEHIND = 4 * WRITE_BACK, ROUNDS = 2 };

struct disk {
    const char *dir;
    uint64_t bytes; /* of one thread */
};

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Bytes that no file system stores in less than their number. */
static uint8_t *make_piece(uint64_t seed)
{
    uint8_t *p = bench_alloc(PIECE);
    uint64_t x = seed + 1;
    for (size_t i = 0; i + sizeof x <= PIECE; i += sizeof x) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(p + i, &x, sizeof x);
    }
    return p;
}

static void drop(int fd, uint64_t from)
{
    (void)sync_file_range(fd, (off_t)from, WRITE_BACK,
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                              SYNC_FILE_RANGE_WAIT_AFTER);
    (void)posix_fadvise(fd, (off_t)from, WRITE_BACK, POSIX_FADV_DONTNEED);
}

static void one_thread(void *arg, unsigned index)
{
    const struct disk *d = arg;
    uint8_t *piece = make_piece(index);
    int fd = bench_nameless(d->dir);
    uint64_t begun = 0;
    for (uint64_t done = 0; done < d->bytes;) {
        uint64_t left = d->bytes - done;
        ssize_t n = write(fd, piece, left < PIECE ? (size_t)left : PIECE);
        if (n < 0) {
            bench_die("writing: %s", strerror(errno));
        }
        done += (uint64_t)n;
        if (done - begun >= WRITE_BACK) {
            (void)sync_file_range(fd, (off_t)begun, (off_t)(done - begun), SYNC_FILE_RANGE_WRITE);
            begun = done;
            if (begun > WRITE_BEHIND) {
                drop(fd, begun - WRITE_BEHIND - WRITE_BACK);
            }
        }
    }
    if (fdatasync(fd) != 0) {
        bench_die("writing: %s", strerror(errno));
    }
    (void)close(fd);
    free(piece);
}

double bench_disk(const char *dir, unsigned threads, uint64_t bytes)
{
    struct disk d = {.dir = dir, .bytes = (bytes + threads - 1) / threads};
    double least = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double start = wall();
        bench_parallel(threads, one_thread, &d);
        double took = wall() - start;
        least = i == 0 || took < least ? took : least;
    }
    return least;
}
