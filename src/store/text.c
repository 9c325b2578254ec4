// SPDX-License-Identifier: Apache-2.0
#include "store/text.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

void pf_text_time(int64_t ns, char out[PF_TEXT_TIME])
{
    int64_t sec = ns / 1000000000;
    int64_t rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        sec--;
    }
    time_t t = (time_t)sec;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL) {
        memset(&tm, 0, sizeof(tm));
    }
    (void)snprintf(out, PF_TEXT_TIME, "%04d-%02d-%02dT%02d:%02d:%02d.%09" PRId64 "Z",
                   (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                   tm.tm_sec, rest);
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

/* The key is in canonical order already: by address, then port, as the specification wants it. */
bool pf_text_community_id(const struct pf_flow_key *key, char out[PF_TEXT_COMMUNITY])
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
    uint8_t sha1[EVP_MAX_MD_SIZE];
    unsigned sha1_len = 0;
    if (EVP_Digest(in, n, sha1, &sha1_len, EVP_sha1(), NULL) != 1 || sha1_len != 20) {
        return false;
    }
    memcpy(out, "1:", 2);
    (void)EVP_EncodeBlock((unsigned char *)out + 2, sha1, (int)sha1_len);
    return true;
}
