// SPDX-License-Identifier: Apache-2.0
#include "run/config.h"

#include "base/cursor.h"
#include "capture/batch.h"
#include "capture/pcapng.h"
#include "plainflow.h"
#include "run/lane.h"
#include "tls/keys.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    WORKER_MIN = 8 << 20,
    HELD_LEAST = 16 << 20,
    HELD_MOST = 1 << 30,
    KEYLOG_ENTRY = 128,
    PASSWORD_MAX = 4096,
    DSB_MAX = 256 << 20,
    PSK_MAX = 512
};

#define MEMORY_DEFAULT ((uint64_t)1 << 30)

/* What the key logs that were loaded take, about: an entry is a little more than its secret. */
static uint64_t keylog_bytes(const struct pf_keylog *log)
{
    return log != NULL ? pf_keylog_counts(log).secrets * KEYLOG_ENTRY : 0;
}

static unsigned processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

static enum pf_task task_of(enum pf_run_mode mode)
{
    switch (mode) {
    case PF_RUN_HANDSHAKES:
        return PF_TASK_HANDSHAKES;
    case PF_RUN_SECRETS:
        return PF_TASK_SECRETS;
    case PF_RUN_DECRYPT:
        break;
    }
    return PF_TASK_DECRYPT;
}

static enum pf_status load_numbers(const struct pf_options *o, struct pf_config *c,
                                   struct pf_error *err)
{
    c->task = task_of(o->mode);
    c->json = o->json;
    c->two_pass = o->two_pass;
    c->jobs = o->jobs > 0 ? o->jobs : processors();
    c->memory = o->memory > 0 ? o->memory : MEMORY_DEFAULT;
    if (c->jobs > PF_JOBS_MAX) {
        return pf_error_set(err, PF_ERR_USAGE, "--jobs: at most %d", PF_JOBS_MAX);
    }
    if (c->memory < PF_MEMORY_MIN) {
        return pf_error_set(err, PF_ERR_USAGE, "--memory: at least %dM", PF_MEMORY_MIN >> 20);
    }
    return PF_OK;
}

/* Last, when it is known what the key logs take. */
static enum pf_status check_share(const struct pf_config *c, struct pf_error *err)
{
    if (pf_config_worker_share(c) >= WORKER_MIN) {
        return PF_OK;
    }
    return pf_error_set(err, PF_ERR_USAGE,
                        "--memory is too little for %u workers%s: give more, or fewer --jobs",
                        c->jobs, keylog_bytes(c->keylog) > 0 ? " and the key logs" : "");
}

/* A pipe cannot be read again. What is not there is the reader's to report. */
static enum pf_status check_captures(const struct pf_options *o, struct pf_error *err)
{
    for (size_t i = 0; i < o->captures.count && o->two_pass; i++) {
        const char *path = o->captures.items[i];
        struct stat st;
        if (strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode))) {
            return pf_error_set(err, PF_ERR_USAGE,
                                "--two-pass reads every capture twice, and %s is no file",
                                strcmp(path, "-") == 0 ? "standard input" : path);
        }
    }
    return PF_OK;
}

/* The first line of the password file, without its end. */
static enum pf_status read_password(const char *path, char out[PASSWORD_MAX], struct pf_error *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return pf_error_set(err, PF_ERR_USAGE, "%s: cannot be read: %s", path, strerror(errno));
    }
    setvbuf(f, NULL, _IONBF, 0); /* so that no copy stays in a buffer */
    char *line = fgets(out, PASSWORD_MAX, f);
    fclose(f);
    if (line == NULL) {
        return pf_error_set(err, PF_ERR_USAGE, "%s: holds no passphrase", path);
    }
    out[strcspn(out, "\r\n")] = '\0';
    return PF_OK;
}

static enum pf_status load_keys(const struct pf_options *o, struct pf_config *c,
                                struct pf_error *err)
{
    char password[PASSWORD_MAX] = "";
    const char *given = NULL;
    enum pf_status st = pf_keyring_new(&c->keyring);
    if (st == PF_OK && o->key_password_file != NULL) {
        st = read_password(o->key_password_file, password, err);
        given = password;
    }
    for (size_t i = 0; i < o->keys.count && st == PF_OK; i++) {
        st = pf_keyring_add(c->keyring, o->keys.items[i], given, err);
    }
    for (size_t i = 0; i < o->key_dirs.count && st == PF_OK; i++) {
        size_t skipped;
        st = pf_keyring_add_dir(c->keyring, o->key_dirs.items[i], given, &skipped, err);
    }
    pf_wipe(password, sizeof password);
    return st;
}

static enum pf_status load_keylogs(const struct pf_options *o, struct pf_config *c,
                                   struct pf_error *err)
{
    enum pf_status st = pf_keylog_new((size_t)(c->memory / 4), &c->keylog);
    for (size_t i = 0; i < o->keylogs.count && st == PF_OK; i++) {
        st = pf_keylog_add_file(c->keylog, o->keylogs.items[i], err);
    }
    if (st == PF_OK) {
        pf_keylog_freeze(c->keylog);
    }
    return st;
}

/* Secrets may lie behind the packets that they open: all captures are looked through first. */
static enum pf_status load_dsbs(const struct pf_options *o, struct pf_config *c,
                                struct pf_error *err)
{
    enum pf_status st = pf_keylog_new((size_t)(c->memory / 8), &c->dsb);
    for (size_t i = 0; i < o->captures.count && st == PF_OK; i++) {
        struct pf_buf text;
        pf_buf_init(&text, DSB_MAX, NULL);
        st = pf_pcapng_scan_secrets(o->captures.items[i], &text, err);
        if (st == PF_OK && text.len > 0) {
            st = pf_keylog_add_text(c->dsb, (struct pf_span){text.ptr, text.len});
        }
        if (text.len > 0) {
            pf_wipe(text.ptr, text.len);
        }
        pf_buf_fini(&text);
    }
    if (st == PF_OK) {
        pf_keylog_freeze(c->dsb);
    }
    return st;
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }
    if (ch >= 'a' && ch <= 'f') {
        return ch - 'a' + 10;
    }
    return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

static enum pf_status parse_psk(const char *hex, struct pf_span *out, struct pf_error *err)
{
    size_t len = strlen(hex);
    if (len == 0 || len % 2 != 0 || len / 2 > PSK_MAX) {
        return pf_error_set(err, PF_ERR_USAGE,
                            "--psk: an even number of hexadecimal digits is "
                            "wanted, %d at most",
                            2 * PSK_MAX);
    }
    uint8_t *bytes = malloc(len / 2);
    if (bytes == NULL) {
        return PF_ERR_NOMEM;
    }
    for (size_t i = 0; i < len; i += 2) {
        int hi = hex_digit(hex[i]);
        int lo = hex_digit(hex[i + 1]);
        if (hi < 0 || lo < 0) {
            pf_wipe(bytes, len / 2);
            free(bytes);
            return pf_error_set(err, PF_ERR_USAGE, "--psk: hexadecimal digits are wanted");
        }
        bytes[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    *out = (struct pf_span){bytes, len / 2};
    return PF_OK;
}

static enum pf_status load_psks(const struct pf_options *o, struct pf_config *c,
                                struct pf_error *err)
{
    if (o->psks.count == 0) {
        return PF_OK;
    }
    c->psks = calloc(o->psks.count, sizeof *c->psks);
    if (c->psks == NULL) {
        return PF_ERR_NOMEM;
    }
    enum pf_status st = PF_OK;
    for (size_t i = 0; i < o->psks.count && st == PF_OK; i++) {
        st = parse_psk(o->psks.items[i], &c->psks[i], err);
        c->psk_count += st == PF_OK ? 1 : 0;
    }
    return st;
}

enum pf_status pf_config_load(const struct pf_options *o, struct pf_config *out,
                              struct pf_error *err)
{
    memset(out, 0, sizeof *out);
    enum pf_status st = load_numbers(o, out, err);
    st = st == PF_OK ? check_captures(o, err) : st;
    st = st == PF_OK ? load_keys(o, out, err) : st;
    st = st == PF_OK ? load_keylogs(o, out, err) : st;
    st = st == PF_OK ? load_psks(o, out, err) : st;
    st = st == PF_OK ? load_dsbs(o, out, err) : st;
    st = st == PF_OK ? check_share(out, err) : st;
    if (st != PF_OK) {
        pf_config_fini(out);
    }
    return st;
}

void pf_config_fini(struct pf_config *c)
{
    pf_keyring_free(c->keyring);
    pf_keylog_free(c->keylog);
    pf_keylog_free(c->dsb);
    for (size_t i = 0; i < c->psk_count; i++) {
        uint8_t *bytes = (uint8_t *)(uintptr_t)c->psks[i].ptr;
        pf_wipe(bytes, c->psks[i].len);
        free(bytes);
    }
    free(c->psks);
    memset(c, 0, sizeof *c);
}

size_t pf_config_sessions_share(const struct pf_config *c)
{
    return (size_t)(c->memory / 16);
}

size_t pf_config_fragments_share(const struct pf_config *c)
{
    return (size_t)(c->memory / 64);
}

size_t pf_config_held_max(const struct pf_config *c)
{
    uint64_t share = c->memory / 64;
    share = share > HELD_LEAST ? share : HELD_LEAST;
    return share < HELD_MOST ? (size_t)share : HELD_MOST;
}

size_t pf_config_lines_share(const struct pf_config *c)
{
    bool lines = c->task == PF_TASK_HANDSHAKES || c->task == PF_TASK_SECRETS;
    return lines ? (size_t)(c->memory / 4) : 0;
}

size_t pf_config_worker_share(const struct pf_config *c)
{
    /* What a batch copies does not lie in the reader's slabs as well: one counts for the other. */
    uint64_t lanes =
        (uint64_t)c->jobs * PF_LANE_BATCHES * (PF_BATCH_BYTES + sizeof(struct pf_batch));
    uint64_t sessions = (c->two_pass ? 2 : 1) * (uint64_t)pf_config_sessions_share(c);
    uint64_t taken = sessions + pf_config_fragments_share(c) + c->memory / 8 +
                     pf_config_lines_share(c) + keylog_bytes(c->keylog) + keylog_bytes(c->dsb);
    uint64_t rest = c->memory > taken ? c->memory - taken : 0;
    return rest > lanes ? (size_t)((rest - lanes) / c->jobs) : 0;
}
