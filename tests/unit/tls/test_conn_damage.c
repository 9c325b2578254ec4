// SPDX-License-Identifier: Apache-2.0
/* Connections that are damaged, hostile, or too large for the memory that there is. */
#include "support/conntalk.h"

static void cut_short_anywhere(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    for (int d = 0; d < 2; d++) {
        struct rig *r = rig_with_key(NULL);
        for (size_t n = 0; n < t->wire[d].n; n++) {
            rig_feed(r, (enum pf_dir)d, t->wire[d].b, n);
            feed_side(r, t, 1 - d);
            struct pf_conn_report report;
            rig_finish(r, &report);
            assert_prefix(r, t);
            assert_true(report.status != PF_FLOW_DECRYPTED || r->plain_len[d] > 0 ||
                        t->plain[d].n > 0);
            rig_end(r);
            rig_begin(r);
        }
        rig_free(r);
    }
    tp_free(t);
}

static void any_byte_changed(void **state)
{
    (void)state;
    struct tp *t = talk((struct tp_options){.version = 0x0303, .suite = TP_AES128_SHA});
    struct rig *r = rig_with_key(NULL);
    for (int d = 0; d < 2; d++) {
        for (size_t n = 0; n < t->wire[d].n; n += n < 90 ? 1 : 7) {
            t->wire[d].b[n] ^= 0x21;
            feed_side(r, t, 0);
            feed_side(r, t, 1);
            struct pf_conn_report report;
            rig_finish(r, &report);
            t->wire[d].b[n] ^= 0x21;
            /* some records may be missing, but none is wrong: every piece is among those sent */
            assert_true(r->plain_len[0] <= t->plain[0].n && r->plain_len[1] <= t->plain[1].n);
            assert_true(report.status != PF_FLOW_PARTIAL || report.detail != NULL);
            rig_end(r);
            rig_begin(r);
        }
    }
    done(r, t);
}

/* A hole of any size anywhere: nothing but what was sent, and the rest of it is found. */
static void a_hole_anywhere(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct rig *r = rig_with_key(NULL);
    for (int d = 0; d < 2; d++) {
        for (size_t n = 0; n < t->wire[d].n; n += 3) {
            size_t lost = 1 + n % 60;
            lost = lost < t->wire[d].n - n ? lost : t->wire[d].n - n;
            feed_side(r, t, 1 - d);
            rig_feed(r, (enum pf_dir)d, t->wire[d].b, n);
            rig_gap(r, (enum pf_dir)d, lost);
            rig_feed(r, (enum pf_dir)d, t->wire[d].b + n + lost, t->wire[d].n - n - lost);
            struct pf_conn_report report;
            rig_finish(r, &report);
            assert_true(r->plain_len[d] <= t->plain[d].n);
            assert_int_equal(r->plain_len[1 - d],
                             report.status == PF_FLOW_LOCKED ? 0 : t->plain[1 - d].n);
            rig_end(r);
            rig_begin(r);
        }
    }
    done(r, t);
}

static void ten_thousand_empty_records(void **state)
{
    (void)state;
    static const uint8_t types[] = {20, 21, 22, 23, 24};
    for (size_t k = 0; k < sizeof types; k++) {
        for (int before = 0; before < 2; before++) {
            struct tp *t = before ? tp_new(tls12, server_key) : talk(tls12);
            struct rig *r = rig_with_key(NULL);
            if (!before) {
                feed_all(r, t, SIZE_MAX);
            }
            static uint8_t flood[5 * 10000];
            for (size_t i = 0; i < sizeof flood; i += 5) {
                memcpy(flood + i, (const uint8_t[]){types[k], 3, 3, 0, 0}, 5);
            }
            rig_feed(r, PF_C2S, flood, sizeof flood);
            rig_feed(r, PF_S2C, flood, sizeof flood);
            struct pf_conn_report report;
            rig_finish(r, &report);
            assert_plain(r, t);
            done(r, t);
        }
    }
}

static void floods_of_change_cipher_spec(void **state)
{
    (void)state;
    static uint8_t flood[6 * 10000];
    for (size_t i = 0; i < sizeof flood; i += 6) {
        memcpy(flood + i, (const uint8_t[]){20, 3, 3, 0, 1, 1}, 6);
    }
    struct tp *t = talk(tls12);
    struct rig *r = rig_with_key(NULL);
    rig_feed(r, PF_C2S, flood, sizeof flood); /* in front of everything */
    feed_side(r, t, TP_S);
    feed_side(r, t, TP_C);
    struct pf_conn_report report;
    rig_finish(r, &report);
    assert_int_equal(r->plain_len[TP_C], 0);
    rig_end(r);
    rig_begin(r);
    feed_all(r, t, SIZE_MAX); /* behind everything */
    rig_feed(r, PF_S2C, flood, sizeof flood);
    rig_finish(r, &report);
    assert_plain(r, t);
    done(r, t);
}

/* The longest message that can be claimed is passed over as a whole, and holds next to nothing. */
static void a_message_of_sixteen_megabytes(void **state)
{
    (void)state;
    static uint8_t record[5 + 16384] = {22, 3, 3, 0x40, 0, 1, 0xff, 0xff, 0xff};
    struct rig *r = rig_with_key(NULL);
    struct tp *t = talk(tls12);
    size_t left = 4 + 0xffffff;
    for (size_t n = 0; n + 16384 <= left; n += 16384) {
        rig_feed(r, PF_C2S, record, sizeof record);
        assert_true(r->budget.used < 1 << 20);
        memset(record + 5, 1, 16384);
    }
    record[3] = 0;
    record[4] = (uint8_t)(left % 16384);
    rig_feed(r, PF_C2S, record, 5 + left % 16384);
    feed_all(r, t, SIZE_MAX);
    struct pf_conn_report report;
    rig_finish(r, &report);
    assert_int_equal(report.status, PF_FLOW_DECRYPTED);
    assert_memory_equal(report.client_random, t->client_random, 32);
    done(r, t);
}

static void handshake_in_records_of_one_byte(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    static struct bytes cut[2];
    for (int d = 0; d < 2; d++) {
        const uint8_t *p = t->wire[d].b;
        size_t n = 0;
        cut[d].n = 0;
        while (p[n] == 22) { /* the records in the clear */
            size_t len = (size_t)p[n + 3] << 8 | p[n + 4];
            for (size_t i = 0; i < len; i++) {
                bytes_raw(&cut[d], (const uint8_t[]){22, 3, 3, 0, 1}, 5);
                bytes_raw(&cut[d], p + n + 5 + i, 1);
            }
            n += 5 + len;
        }
        bytes_raw(&cut[d], p + n, t->wire[d].n - n);
    }
    struct rig *r = rig_with_key(NULL);
    rig_feed(r, PF_C2S, cut[0].b, cut[0].n);
    rig_feed(r, PF_S2C, cut[1].b, cut[1].n);
    assert_decrypted(r, t);
    done(r, t);
}

/* A record in the middle that nobody sealed: those around it are read. */
static void garbage_between_records(void **state)
{
    (void)state;
    static const uint16_t suites[] = {TP_AES128_SHA, TP_AES256_SHA256, TP_AES128_GCM};
    for (int i = 0; i < 3; i++) {
        struct tp *t = talk((struct tp_options){.version = 0x0303, .suite = suites[i]});
        static uint8_t bad[5 + 64] = {23, 3, 3, 0, 64};
        tp_raw(t, TP_S, bad, sizeof bad);
        tp_text(t, TP_S, "after");
        tp_text(t, TP_S, "wards");
        struct rig *r = rig_with_key(NULL);
        feed_all(r, t, SIZE_MAX);
        assert_int_equal(reason_of(r, PF_FLOW_PARTIAL), PF_REASON_RECORD_REJECTED);
        assert_plain(r, t);
        done(r, t);
    }
}

/* With DEFLATE (RFC 3749) a record that does not verify takes the window with it: whatever becomes
 * of those behind it, it is the connection's misfortune and not the run's. */
static void garbage_between_compressed_records(void **state)
{
    (void)state;
    struct tp *t =
        talk((struct tp_options){.version = 0x0303, .suite = TP_AES128_SHA, .deflate = true});
    struct rig *r = rig_with_key(NULL);
    feed_all(r, t, SIZE_MAX);
    assert_decrypted(r, t);
    rig_end(r);
    static uint8_t bad[5 + 64] = {23, 3, 3, 0, 64};
    tp_raw(t, TP_S, bad, sizeof bad);
    for (int i = 0; i < 40; i++) {
        tp_text(t, TP_S, "the same words again, found in the window that is gone");
    }
    rig_begin(r);
    feed_all(r, t, SIZE_MAX);
    assert_int_equal(reason_of(r, PF_FLOW_PARTIAL), PF_REASON_RECORD_REJECTED);
    done(r, t);
}

/* ---- memory ---- */

/* At any budget: no crash, no error but in the report, and all of it given back. */
static void any_budget(void **state)
{
    (void)state;
    struct tp *t =
        talk((struct tp_options){.version = 0x0303, .suite = TP_AES128_SHA, .ems = true});
    struct rig *r = rig_with_key(NULL);
    size_t conn = r->budget.used;
    unsigned limits = 0;
    for (size_t room = 0; room < 40000; room += 97) {
        r->budget.limit = conn + room;
        feed_all(r, t, 200);
        struct pf_conn_report report;
        rig_finish(r, &report);
        assert_prefix(r, t);
        if (report.status != PF_FLOW_DECRYPTED) {
            assert_int_equal(report.reason, PF_REASON_LIMIT_REACHED);
            limits++;
        }
        rig_end(r);
        rig_begin(r);
    }
    assert_true(limits > 0 && limits < 300);
    done(r, t);
}

static void given_up_says_so(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct rig *r = rig_with_key(NULL);
    rig_feed(r, PF_C2S, t->wire[TP_C].b, t->wire[TP_C].n);
    pf_conn_give_up(r->conn);
    rig_drive(r);
    struct pf_conn_report report;
    pf_conn_report(r->conn, &report);
    assert_int_equal(report.status, PF_FLOW_LOCKED);
    assert_int_equal(report.reason, PF_REASON_LIMIT_REACHED);
    done(r, t);
}

static void a_flush_hands_out_what_is_held(void **state)
{
    (void)state;
    struct tp *t = talk(tls12);
    struct rig *r = rig_with_key(NULL);
    feed_all(r, t, SIZE_MAX);
    assert_true(r->plain_len[TP_S] < t->plain[TP_S].n);
    pf_conn_flush(r->conn);
    rig_drive(r);
    assert_plain(r, t);
    assert_decrypted(r, t);
    done(r, t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_short_anywhere),
        cmocka_unit_test(any_byte_changed),
        cmocka_unit_test(a_hole_anywhere),
        cmocka_unit_test(ten_thousand_empty_records),
        cmocka_unit_test(floods_of_change_cipher_spec),
        cmocka_unit_test(a_message_of_sixteen_megabytes),
        cmocka_unit_test(handshake_in_records_of_one_byte),
        cmocka_unit_test(garbage_between_records),
        cmocka_unit_test(garbage_between_compressed_records),
        cmocka_unit_test(any_budget),
        cmocka_unit_test(given_up_says_so),
        cmocka_unit_test(a_flush_hands_out_what_is_held),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
