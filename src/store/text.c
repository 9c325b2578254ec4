// SPDX-License-Identifier: Apache-2.0
#include "store/text.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { SHA1_LEN = 20 };

static const char digits[] = "0123456789abcdef";

/*
 * Length of the character at p if it is well-formed UTF-8 (Unicode table 3-7: no overlong forms, no
 * surrogates, nothing above U+10FFFF) and no control character; else 0.
 */
static size_t character_len(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80) {
        return p[0] >= 0x20 && p[0] != 0x7f ? 1 : 0;
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
               (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    bool c1 = p[0] == 0xc2 && p[1] < 0xa0;
    return bad || c1 ? 0 : n;
}

size_t pf_text_safe(struct pf_span s, char out[PF_TEXT_SAFE])
{
    size_t len = s.len < PF_TEXT_MAX ? s.len : PF_TEXT_MAX;
    size_t o = 0;
    for (size_t i = 0; i < len;) {
        if (s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f) {
            out[o++] = (char)s.ptr[i++];
            continue;
        }
        size_t n = character_len(s.ptr + i, len - i);
        if (n > 0) {
            memcpy(out + o, s.ptr + i, n);
            o += n;
            i += n;
            continue;
        }
        out[o++] = '\\';
        out[o++] = 'x';
        out[o++] = digits[s.ptr[i] >> 4];
        out[o++] = digits[s.ptr[i] & 15];
        i++;
    }
    out[o] = '\0';
    return o;
}

/* Days since 1970 as year, month, day in the Gregorian calendar: eras of 400 years, years that
 * begin in March, so that the leap day is their last. */
static void civil(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    enum { ERA = 146097, CENTURY = 36524, FOUR = 1460, YEAR = 365, MARCH_0000 = 719468 };
    int64_t shifted = days + MARCH_0000; /* not negative: 64-bit nanoseconds begin in 1677 */
    unsigned of_era = (unsigned)(shifted % ERA);
    unsigned y = (of_era - of_era / FOUR + of_era / CENTURY - of_era / (ERA - 1)) / YEAR;
    unsigned of_year = of_era - (YEAR * y + y / 4 - y / 100);
    unsigned m = (5 * of_year + 2) / 153;
    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = (unsigned)(shifted / ERA) * 400 + y + (*month <= 2);
}

/* n digits of v, and what stands behind them. Returns where to go on. */
static char *put_digits(char *out, unsigned v, unsigned n, char behind)
{
    for (unsigned i = n; i > 0; i--) {
        out[i - 1] = (char)('0' + v % 10);
        v /= 10;
    }
    out[n] = behind;
    return out + n + 1;
}

void pf_text_time(int64_t ns, char out[PF_TEXT_TIME])
{
    enum { DAY = 86400, HOUR = 3600, MINUTE = 60 };
    int64_t sec = ns / 1000000000;
    int64_t rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        sec--;
    }
    int64_t days = sec / DAY - (sec % DAY < 0);
    unsigned of_day = (unsigned)(sec - days * DAY);
    unsigned year;
    unsigned month;
    unsigned day;
    civil(days, &year, &month, &day);
    out = put_digits(out, year, 4, '-');
    out = put_digits(out, month, 2, '-');
    out = put_digits(out, day, 2, 'T');
    out = put_digits(out, of_day / HOUR, 2, ':');
    out = put_digits(out, of_day / MINUTE % MINUTE, 2, ':');
    out = put_digits(out, of_day % MINUTE, 2, '.');
    out = put_digits(out, (unsigned)rest, 9, 'Z');
    *out = '\0';
}

void pf_text_address(const struct pf_flow_key *key, unsigned side, char out[PF_TEXT_ADDRESS])
{
    const uint8_t *a = key->addr[side];
    if (key->family != 4) {
        out[0] = '\0';
        (void)inet_ntop(AF_INET6, a, out, PF_TEXT_ADDRESS);
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = a[i] < 10 ? 1 : a[i] < 100 ? 2 : 3;
        out = put_digits(out, a[i], n, i < 3 ? '.' : '\0');
    }
}

void pf_text_hex(const uint8_t *ptr, size_t len, char out[PF_TEXT_HEX])
{
    len = len < 255 ? len : 255;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[ptr[i] >> 4];
        out[2 * i + 1] = digits[ptr[i] & 15];
    }
    out[2 * len] = '\0';
}

struct pf_text_sha1 {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

struct pf_text_sha1 *pf_text_sha1_new(void)
{
    struct pf_text_sha1 *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->md = EVP_MD_fetch(NULL, "SHA1", NULL);
        s->ctx = EVP_MD_CTX_new();
        if (s->md == NULL || s->ctx == NULL) {
            ERR_clear_error();
            pf_text_sha1_free(s);
            s = NULL;
        }
    }
    return s;
}

void pf_text_sha1_free(struct pf_text_sha1 *sha1)
{
    if (sha1 != NULL) {
        EVP_MD_CTX_free(sha1->ctx);
        EVP_MD_free(sha1->md);
        free(sha1);
    }
}

static bool digest(struct pf_text_sha1 *s, const uint8_t *in, size_t len, uint8_t *out)
{
    unsigned out_len = 0;
    if (s == NULL) {
        return EVP_Digest(in, len, out, &out_len, EVP_sha1(), NULL) == 1 && out_len == SHA1_LEN;
    }
    return EVP_DigestInit_ex2(s->ctx, s->md, NULL) == 1 && EVP_DigestUpdate(s->ctx, in, len) == 1 &&
           EVP_DigestFinal_ex(s->ctx, out, &out_len) == 1 && out_len == SHA1_LEN;
}

/* The key is in canonical order already: by address, then port, as the specification wants it. */
bool pf_text_community_id(struct pf_text_sha1 *sha1, const struct pf_flow_key *key,
                          char out[PF_TEXT_COMMUNITY])
{
    uint8_t in[2 + 32 + 2 + 4];
    size_t addr_len = key->family == 4 ? 4 : 16;
    size_t n = 2;
    memset(in, 0, sizeof(in));
    for (unsigned i = 0; i < 2; i++) {
        memcpy(in + n, key->addr[i], addr_len);
        n += addr_len;
    }
    in[n] = key->proto;
    n += 2;
    for (unsigned i = 0; i < 2; i++) {
        in[n++] = (uint8_t)(key->port[i] >> 8);
        in[n++] = (uint8_t)key->port[i];
    }
    uint8_t hash[EVP_MAX_MD_SIZE];
    if (!digest(sha1, in, n, hash)) {
        return false;
    }
    memcpy(out, "1:", 2);
    (void)EVP_EncodeBlock((unsigned char *)out + 2, hash, SHA1_LEN);
    return true;
}
