// SPDX-License-Identifier: Apache-2.0
#include "support/fake_result.h"

#include "store/index.h"
#include "store/merge.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Enough for several parts, and for line numbers of one digit to five. */
enum { SPOOLS = 5, FLOWS = 5 * PF_MERGE_PART_FLOWS + 7, CAP = 4096 };

static struct fake_dir dir;
static struct pf_place place;

static int setup(void **state)
{
    (void)state;
    fake_dir_init(&dir);
    place = (struct pf_place){.fd = open(dir.base, O_RDONLY | O_DIRECTORY), .path = dir.base};
    return place.fd >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    close(place.fd);
    fake_dir_fini(&dir);
    return 0;
}

/* Flows end in another order than that in which they began; now and then two begin in one packet.
 */
static void fill(struct pf_flows *const *spools, unsigned used, unsigned flows)
{
    struct pf_error err = {.status = PF_OK};
    for (unsigned i = 0; i < flows; i++) {
        unsigned flow = (unsigned)((i * UINT64_C(7919)) % flows);
        struct pf_flow_info info = fake_info(flow % 40000);
        struct pf_flow_ref ref = {.dir = {{.bytes = flow}}};
        info.first_packet = flow - (flow % 100 == 99 ? 1 : 0) + 1;
        info.packets = 1 + flow % 1000;
        assert_int_equal(pf_flows_append(spools[flow % used], &info, &ref, &err), PF_OK);
    }
}

static void open_spools(struct pf_flows **spools, unsigned used, unsigned flows)
{
    struct pf_error err = {.status = PF_OK};
    for (unsigned i = 0; i < used; i++) {
        assert_int_equal(pf_flows_new(&place, i, &spools[i], &err), PF_OK);
    }
    fill(spools, used, flows);
    for (unsigned i = 0; i < used; i++) {
        assert_int_equal(pf_flows_close(spools[i], &err), PF_OK);
    }
}

static void free_spools(struct pf_flows **spools)
{
    for (unsigned i = 0; i < SPOOLS; i++) {
        if (spools[i] != NULL) {
            pf_flows_discard(spools[i]);
        }
        pf_flows_free(spools[i]);
    }
}

struct piece {
    void (*body)(void *ctx, unsigned k);
    void *ctx;
    unsigned k;
};

static void *piece_main(void *arg)
{
    const struct piece *p = arg;
    p->body(p->ctx, p->k);
    return NULL;
}

static unsigned parts; /* of the last merge that had several */

static void abreast(void (*body)(void *ctx, unsigned k), void *ctx, unsigned n)
{
    pthread_t threads[PF_MERGE_PARTS];
    struct piece pieces[PF_MERGE_PARTS];
    parts = n;
    assert_in_range(n, 2, PF_MERGE_PARTS);
    for (unsigned k = 0; k < n; k++) {
        pieces[k] = (struct piece){body, ctx, k};
        assert_int_equal(pthread_create(&threads[k], NULL, piece_main, &pieces[k]), 0);
    }
    for (unsigned k = 0; k < n; k++) {
        assert_int_equal(pthread_join(threads[k], NULL), 0);
    }
}

struct text {
    char *ptr;
    size_t len;
};

static struct text slurp(const char *name)
{
    struct stat sb;
    int fd = openat(place.fd, name, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &sb), 0);
    struct text t = {.ptr = malloc((size_t)sb.st_size + 1), .len = (size_t)sb.st_size};
    assert_non_null(t.ptr);
    assert_int_equal(read(fd, t.ptr, t.len), t.len);
    t.ptr[t.len] = '\0';
    close(fd);
    return t;
}

static enum pf_status merge(struct pf_flows *const *spools, bool sha256, const char *lines_name,
                            const char *rows_name, struct pf_error *err)
{
    struct pf_file lines;
    struct pf_file rows;
    assert_int_equal(pf_file_open(&lines, &place, lines_name, CAP, sha256, err), PF_OK);
    assert_int_equal(pf_file_open(&rows, &place, rows_name, CAP, sha256, err), PF_OK);
    enum pf_status st = pf_merge_flows(spools, SPOOLS, &lines, &rows, abreast, err);
    enum pf_status a = pf_file_commit(&lines, err);
    enum pf_status b = pf_file_commit(&rows, err);
    pf_file_fini(&lines);
    pf_file_fini(&rows);
    return st != PF_OK ? st : a != PF_OK ? a : b;
}

/* What stands behind name in the line, a number. */
static uint64_t number(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    assert_non_null(at);
    return strtoull(at + strlen(name), NULL, 10);
}

static void check_lines(struct text lines, struct text rows, unsigned flows)
{
    char *line = lines.ptr;
    uint64_t last = 0;
    assert_int_equal(rows.len, PF_FLOWS_HEADER + (size_t)flows * PF_FLOWS_ROW);
    for (unsigned i = 0; i < flows; i++) {
        struct pf_flows_row row;
        const uint8_t *at = (const uint8_t *)rows.ptr + PF_FLOWS_HEADER + (size_t)i * PF_FLOWS_ROW;
        assert_true(pf_flows_parse_row((struct pf_span){at, PF_FLOWS_ROW}, &row));
        assert_int_equal(row.line_pos, line - lines.ptr);
        assert_int_equal(line[row.line_len], '\n');
        line[row.line_len] = '\0';
        assert_int_equal(number(line, "{\"flow\":"), i + 1);
        assert_true(number(line, "\"first_packet\":") >= last);
        last = number(line, "\"first_packet\":");
        assert_int_equal(number(line, "\"packets\":"), 1 + row.ref.dir[PF_C2S].bytes % 1000);
        line[row.line_len] = '\n';
        line += row.line_len + 1;
    }
    assert_ptr_equal(line, lines.ptr + lines.len);
}

static void compare(unsigned used, unsigned flows)
{
    struct pf_flows *spools[SPOOLS] = {NULL};
    struct pf_error err = {.status = PF_OK};
    open_spools(spools, used, flows);
    assert_int_equal(merge(spools, false, "side.jsonl", "side.idx", &err), PF_OK);
    assert_int_equal(merge(spools, true, "order.jsonl", "order.idx", &err), PF_OK);
    free_spools(spools);
    struct text t[4] = {slurp("side.jsonl"), slurp("order.jsonl"), slurp("side.idx"),
                        slurp("order.idx")};
    check_lines(t[0], t[2], flows);
    for (unsigned i = 0; i < 4; i += 2) {
        assert_int_equal(t[i].len, t[i + 1].len);
        assert_memory_equal(t[i].ptr, t[i + 1].ptr, t[i].len);
    }
    for (unsigned i = 0; i < 4; i++) {
        free(t[i].ptr);
    }
}

static void side_by_side_is_the_same_as_in_order(void **state)
{
    (void)state;
    parts = 0;
    compare(SPOOLS - 1, FLOWS); /* the last one was never made */
    assert_int_equal(parts, SPOOLS);
}

static void few_flows_are_one_part(void **state)
{
    (void)state;
    parts = 0;
    compare(SPOOLS, 100);
    assert_int_equal(parts, 0);
}

/* As when most workers had no flow: the parts are as many as there were workers. */
static void one_spool_has_all(void **state)
{
    (void)state;
    parts = 0;
    compare(1, PF_MERGE_PART_FLOWS * 3);
    assert_int_equal(parts, 3);
}

static void no_flow_at_all(void **state)
{
    (void)state;
    compare(2, 0);
}

static void what_does_not_fit_ends_the_list(void **state)
{
    (void)state;
    struct pf_flows *spools[SPOOLS] = {NULL};
    struct pf_error err = {.status = PF_OK};
    struct rlimit before;
    open_spools(spools, SPOOLS, FLOWS);
    assert_int_equal(merge(spools, false, "all.jsonl", "all.idx", &err), PF_OK);
    struct text all = slurp("all.jsonl");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit low = {.rlim_cur = all.len / 2, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_int_equal(merge(spools, false, "half.jsonl", "half.idx", &err), PF_ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_non_null(strstr(err.text, "half.jsonl"));
    struct text half = slurp("half.jsonl");
    assert_in_range(half.len, all.len / 2 - PF_LINE_MAX, all.len / 2);
    assert_memory_equal(half.ptr, all.ptr, half.len);
    free(all.ptr);
    free(half.ptr);
    free_spools(spools);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(side_by_side_is_the_same_as_in_order),
        T(few_flows_are_one_part),
        T(one_spool_has_all),
        T(no_flow_at_all),
        T(what_does_not_fit_ends_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
