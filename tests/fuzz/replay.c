// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a fuzz target without a fuzzer: every file of the corpus folder as it is, and a fixed number
 * of seeded mutations of each, so that a plain test run (and a sanitizer run of it) walks the same
 * code every time. A crash is the failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST_INPUT = 1 << 20, MUTATIONS = 300 };

static uint64_t state = 0x9e3779b97f4a7c15U;

static uint32_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static size_t mutate(uint8_t *buf, size_t len)
{
    uint32_t flips = 1 + next_random() % 8;
    for (uint32_t i = 0; i < flips && len > 0; i++) {
        buf[next_random() % len] = (uint8_t)next_random();
    }
    if (len > 0 && next_random() % 4 == 0) {
        len = next_random() % (len + 1);
    }
    return len;
}

static void run_copy(const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1); /* so that ASan sees a read behind the end */
    if (exact == NULL) {
        exit(2);
    }
    if (len > 0) {
        memcpy(exact, data, len);
    }
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

static int run_file(const char *path, uint8_t *buf, uint8_t *copy)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return 0;
    }
    size_t len = fread(buf, 1, LARGEST_INPUT, f);
    fclose(f);
    run_copy(buf, len);
    for (int i = 0; i < MUTATIONS; i++) {
        memcpy(copy, buf, len);
        run_copy(copy, mutate(copy, len));
    }
    return 1;
}

int main(int argc, char **argv)
{
    uint8_t *buf = malloc(LARGEST_INPUT);
    uint8_t *copy = malloc(LARGEST_INPUT);
    if (argc != 2 || buf == NULL || copy == NULL) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (dir == NULL) {
        perror(argv[1]);
        return 2;
    }
    int files = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        if (entry->d_name[0] != '.') {
            files += run_file(path, buf, copy);
        }
    }
    closedir(dir);
    free(buf);
    free(copy);
    printf("%d files, %d mutations each\n", files, MUTATIONS);
    return files > 0 ? 0 : 1;
}
