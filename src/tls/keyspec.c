// SPDX-License-Identifier: Apache-2.0
#include "tls/keyspec.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* "ADDR[:PORT]" in pieces: host without brackets, and what follows it. */
struct side {
    char host[INET6_ADDRSTRLEN + 1];
    const char *rest; /* from the ':' on, or at the '=' */
    const char *end;  /* the '=' */
    bool brackets;
};

/* False when it cannot be an address by its length or its brackets alone. */
static bool split_side(const char *text, const char *end, struct side *out)
{
    out->brackets = text[0] == '[';
    const char *host = out->brackets ? text + 1 : text;
    size_t max = (size_t)(end - host);
    const char *host_end = memchr(host, out->brackets ? ']' : ':', max);
    if (host_end == NULL) {
        if (out->brackets) {
            return false;
        }
        host_end = end;
    }
    size_t len = (size_t)(host_end - host);
    if (len == 0 || len >= sizeof out->host) {
        return false;
    }
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    out->rest = out->brackets ? host_end + 1 : host_end;
    out->end = end;
    return true;
}

/* "" or ":PORT". */
static bool parse_port(const char *p, const char *end, uint16_t *port)
{
    unsigned long n = 0;
    *port = 0;
    if (p == end) {
        return true;
    }
    if (*p++ != ':' || p == end) {
        return false;
    }
    for (; p < end && n <= UINT16_MAX; p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }
        n = n * 10 + (unsigned long)(*p - '0');
    }
    *port = (uint16_t)n;
    return n >= 1 && n <= UINT16_MAX;
}

static bool is_bare_ipv6(const char *text, const char *end)
{
    char host[INET6_ADDRSTRLEN + 1];
    uint8_t addr[16];
    size_t len = (size_t)(end - text);
    if (len >= sizeof host) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    return inet_pton(AF_INET6, host, addr) == 1;
}

enum pf_status pf_keyspec_parse(const char *text, struct pf_keyspec *out, struct pf_error *err)
{
    struct side side;
    const char *equals = strchr(text, '=');
    *out = (struct pf_keyspec){.path = text};
    if (equals == NULL) {
        return PF_OK;
    }
    if (is_bare_ipv6(text, equals)) {
        return pf_error_set(err, PF_ERR_USAGE,
                            "key %s: an IPv6 address stands in brackets: [ADDR]:PORT=FILE", text);
    }
    if (!split_side(text, equals, &side) ||
        inet_pton(side.brackets ? AF_INET6 : AF_INET, side.host, out->addr) != 1) {
        return PF_OK;
    }
    if (!parse_port(side.rest, side.end, &out->port)) {
        return pf_error_set(err, PF_ERR_USAGE,
                            "key %s: behind the address stands :PORT, from 1 to 65535", text);
    }
    if (equals[1] == '\0') {
        return pf_error_set(err, PF_ERR_USAGE, "key %s: no file is named behind '='", text);
    }
    out->family = side.brackets ? 6 : 4;
    out->path = equals + 1;
    return PF_OK;
}
