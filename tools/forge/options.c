// SPDX-License-Identifier: Apache-2.0
#include "forge/options.h"

#include "forge/common.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, ONOFF, COUNT, SIZE, RATE, REORDER, RANGE, TEXT, CHOICE, NAMES, HEADING };

/* One option: where it goes, what it may be, what --help says. */
struct row {
    const char *name;
    enum kind kind;
    size_t off;
    const char *arg; /* for CHOICE the choices */
    uint64_t lo;
    uint64_t hi;
    const char *help;
};

#define AT(field) offsetof(struct forge_options, field)

static const struct row ROWS[] = {
    {"Flows", HEADING, 0, NULL, 0, 0, NULL},
    {"flows", COUNT, AT(flows), "N", 1, 100000000, "connections in the capture (1)"},
    {"concurrent", COUNT, AT(concurrent), "N", 1, 100000, "how many are open at once (16)"},
    {"bytes", SIZE, AT(bytes), "N", 0, UINT64_C(1) << 50,
     "application bytes per flow, server to client (64K)"},
    {"request-bytes", SIZE, AT(request_bytes), "N", 0, UINT64_C(1) << 50,
     "application bytes per flow, client to server (as the request comes)"},
    {"record-bytes", RANGE, AT(record_bytes), "N|A-B", 1, 65536, "bytes per SSL_write (16K)"},
    {"content", CHOICE, AT(content), "text|binary|random", 0, 0,
     "HTTP with HTML (LZ4 3.5:1), binary (1.5:1), incompressible"},
    {"seed", SIZE, AT(seed), "N", 0, UINT64_MAX, "same seed and options, same files (1)"},
    {"TLS", HEADING, 0, NULL, 0, 0, NULL},
    {"version", CHOICE, AT(version), "suite|tls1.0|tls1.1|tls1.2|tls1.3", 0, 0,
     "default: the newest the suite allows"},
    {"suite", NAMES, AT(suites), "NAME", 0, 0, "OpenSSL or IANA name; repeat for round robin"},
    {"list-suites", FLAG, AT(list_suites), NULL, 0, 0, "print the suites this libssl can do"},
    {"key", TEXT, AT(key_file), "FILE", 0, 0, "server's RSA key (PEM); else one is generated"},
    {"key-bits", COUNT, AT(key_bits), "N", 512, 16384, "size of a generated RSA key (2048)"},
    {"psk", TEXT, AT(psk), "HEX", 0, 0, "pre-shared key for PSK suites"},
    {"resume", RATE, AT(resume), "SHARE", 0, 0, "share of flows that resume a session (0)"},
    {"resume-by", CHOICE, AT(resume_by), "ticket|id", 0, 0, "how (ticket)"},
    {"ems", ONOFF, AT(ems), "on|off", 0, 0, "extended master secret (on)"},
    {"etm", ONOFF, AT(etm), "on|off", 0, 0, "encrypt-then-MAC (on)"},
    {"client-cert", FLAG, AT(client_cert), NULL, 0, 0, "the client shows a certificate too"},
    {"renegotiate", COUNT, AT(renegotiate), "N", 0, 1000, "renegotiations per flow (to TLS 1.2)"},
    {"key-update", COUNT, AT(key_update), "N", 0, UINT32_MAX,
     "TLS 1.3: the server changes keys every N records"},
    {"max-fragment", COUNT, AT(max_fragment), "N", 512, 16384, "bytes per TLS record at most"},
    {"split-hello", FLAG, AT(split_hello), NULL, 0, 0, "handshake in segments of 1 to 100 bytes"},
    {"check", FLAG, AT(check), NULL, 0, 0, "let the client decrypt and compare all (slower)"},
    {"Network", HEADING, 0, NULL, 0, 0, NULL},
    {"ipv6", RATE, AT(ipv6), "SHARE", 0, 0, "share of flows over IPv6 (0)"},
    {"vlan", COUNT, AT(vlan), "ID", 0, 4094, "802.1Q tag (none)"},
    {"mss", COUNT, AT(mss), "N", 1, 65000, "TCP payload per packet at most (1448)"},
    {"server-port", COUNT, AT(server_port), "N", 1, 65535, "(443)"},
    {"clients", COUNT, AT(clients), "N", 1, 1000000, "distinct client addresses (100)"},
    {"no-checksums", FLAG, AT(no_checksums), NULL, 0, 0, "TCP checksum 0 (as with offload)"},
    {"no-timestamps", FLAG, AT(no_timestamps), NULL, 0, 0, "no TCP timestamp option"},
    {"Damage (each a share of packets)", HEADING, 0, NULL, 0, 0, NULL},
    {"loss", RATE, AT(loss), "RATE", 0, 0, "packets with application data that the capture missed"},
    {"loss-handshake", FLAG, AT(loss_handshake), NULL, 0, 0, "--loss takes any packet"},
    {"reorder", REORDER, AT(reorder), "RATE[:N]", 0, 0, "delayed by N packets of the flow (3)"},
    {"duplicate", RATE, AT(duplicate), "RATE", 0, 0, "captured twice"},
    {"overlap", RATE, AT(overlap), "RATE", 0, 0, "followed by a retransmission cut otherwise"},
    {"split", RATE, AT(split), "RATE", 0, 0, "segments cut short at random"},
    {"clock-steps", RATE, AT(clock_steps), "RATE", 0, 0,
     "where the capture's clock jumps, up to 2 s, also back"},
    {"Files", HEADING, 0, NULL, 0, 0, NULL},
    {"output", TEXT, AT(output), "OUT.pcap", 0, 0,
     "also -o; with it come .key .crt .keylog .truth"},
    {"nano", FLAG, AT(nano), NULL, 0, 0, "nanosecond timestamps"},
    {"pcapng", FLAG, AT(pcapng), NULL, 0, 0, "pcapng (also when OUT ends so)"},
    {"dsb", FLAG, AT(dsb), NULL, 0, 0, "pcapng: key log embedded at the start"},
    {"dsb-end", FLAG, AT(dsb_end), NULL, 0, 0, "pcapng: key log embedded at the end"},
};

enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0], FIRST_LONG = 256, HELP = 1000 };

static void print_help(void)
{
    puts("usage: plainflow-forge [OPTIONS] -o OUT.pcap\n\n"
         "Makes captures of real TLS connections (libssl on both ends) and says what is in them:\n"
         "OUT.key the server's private key, OUT.crt its certificate, OUT.keylog the session\n"
         "secrets, OUT.truth one JSON line per flow with the SHA-256 of the plaintext of each\n"
         "direction. The key is made from the seed: never use it for anything but tests.");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct row *r = &ROWS[i];
        if (r->kind == HEADING) {
            printf("\n%s\n", r->name);
            continue;
        }
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", r->name, r->arg != NULL ? " " : "",
                 r->arg != NULL ? r->arg : "");
        printf(strlen(left) < 28 ? "  %-28s %s\n" : "  %s\n                               %s\n",
               left, r->help);
    }
    puts("\nSizes take K, M and G (powers of 1024). Shares and rates go from 0 to 1.\n\n"
         "Runs with the same seed, options and libssl are byte-identical: libssl's random numbers\n"
         "and clock are replaced. Damage has a random stream of its own: with another --loss the\n"
         "packets before damage stay the same, and the truth's \"dropped\" counts among those.\n"
         "\"intact\" are the records of which no byte is missing.");
}

static noreturn void bad(const struct row *r, const char *text)
{
    forge_die("--%s: cannot use '%s' (see --help)", r->name, text);
}

static unsigned suffix_shift(const char *end)
{
    switch (*end) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    default:
        return 0;
    }
}

/* A number with an optional suffix; `end` is set behind it. */
static uint64_t number(const struct row *r, const char *text, const char **end)
{
    char *stop = NULL;
    errno = 0;
    uint64_t n = strtoull(text, &stop, 10);
    if (stop == text || *text == '-' || errno != 0) {
        bad(r, text);
    }
    unsigned shift = suffix_shift(stop);
    if (shift != 0) {
        stop++;
        if (n > UINT64_MAX >> shift) {
            bad(r, text);
        }
        n <<= shift;
    }
    if (n < r->lo || n > r->hi) {
        forge_die("--%s: %s is not from %llu to %llu", r->name, text, (unsigned long long)r->lo,
                  (unsigned long long)r->hi);
    }
    *end = stop;
    return n;
}

static uint64_t whole_number(const struct row *r, const char *text)
{
    const char *end = NULL;
    uint64_t n = number(r, text, &end);
    if (*end != '\0') {
        bad(r, text);
    }
    return n;
}

static double rate(const struct row *r, const char *text, const char **end)
{
    char *stop = NULL;
    double v = strtod(text, &stop);
    if (stop == text || !(v >= 0 && v <= 1)) {
        bad(r, text);
    }
    *end = stop;
    return v;
}

static struct forge_range range(const struct row *r, const char *text)
{
    const char *end = NULL;
    struct forge_range out;
    out.lo = out.hi = (uint32_t)number(r, text, &end);
    if (*end == '-') {
        out.hi = (uint32_t)whole_number(r, end + 1);
    } else if (*end != '\0') {
        bad(r, text);
    }
    if (out.lo > out.hi) {
        bad(r, text);
    }
    return out;
}

static struct forge_rate_distance rate_distance(const struct row *r, const char *text)
{
    const char *end = NULL;
    struct forge_rate_distance out = {.rate = rate(r, text, &end), .distance = 3};
    if (*end == ':') {
        struct row bounds = *r;
        bounds.lo = 1;
        bounds.hi = 1000000;
        out.distance = (uint32_t)whole_number(&bounds, end + 1);
    } else if (*end != '\0') {
        bad(r, text);
    }
    return out;
}

/* Which of "a|b|c" the text is. */
static int choice(const struct row *r, const char *text)
{
    size_t len = strlen(text);
    int index = 0;
    for (const char *p = r->arg; p != NULL; index++) {
        size_t n = strcspn(p, "|");
        if (n == len && strncmp(p, text, n) == 0) {
            return index;
        }
        p = p[n] == '|' ? p + n + 1 : NULL;
    }
    bad(r, text);
}

static void add_name(const struct row *r, struct forge_names *names, const char *text)
{
    if (names->count == FORGE_SUITES_MAX) {
        forge_die("--%s: at most %d", r->name, FORGE_SUITES_MAX);
    }
    names->name[names->count++] = text;
}

static void set(struct forge_options *o, const struct row *r, const char *text)
{
    void *at = (char *)o + r->off;
    const char *end = "";
    switch (r->kind) {
    case FLAG:
        *(bool *)at = true;
        break;
    case ONOFF:
        *(bool *)at = choice(r, text) == 0;
        break;
    case COUNT:
        *(uint32_t *)at = (uint32_t)whole_number(r, text);
        break;
    case SIZE:
        *(uint64_t *)at = whole_number(r, text);
        break;
    case RATE:
        *(double *)at = rate(r, text, &end);
        break;
    case REORDER:
        *(struct forge_rate_distance *)at = rate_distance(r, text);
        break;
    case RANGE:
        *(struct forge_range *)at = range(r, text);
        break;
    case TEXT:
        *(const char **)at = text;
        break;
    case CHOICE:
        *(int *)at = choice(r, text);
        break;
    case NAMES:
        add_name(r, at, text);
        break;
    case HEADING:
        break;
    }
    if (*end != '\0') {
        bad(r, text);
    }
}

static void check(struct forge_options *o)
{
    if (o->list_suites) {
        return;
    }
    if (o->output == NULL) {
        forge_die("where to? give -o OUT.pcap (see --help)");
    }
    size_t len = strlen(o->output);
    if (len > 7 && strcmp(o->output + len - 7, ".pcapng") == 0) {
        o->pcapng = true;
    }
    if ((o->dsb || o->dsb_end) && !o->pcapng) {
        forge_die("--dsb and --dsb-end need --pcapng");
    }
    if (o->dsb && o->dsb_end) {
        forge_die("--dsb or --dsb-end, not both");
    }
}

void forge_options_parse(struct forge_options *o, int argc, char **argv)
{
    *o = (struct forge_options){.seed = 1,
                                .flows = 1,
                                .concurrent = 16,
                                .bytes = 65536,
                                .record_bytes = {16384, 16384},
                                .key_bits = 2048,
                                .ems = true,
                                .etm = true,
                                .mss = 1448,
                                .server_port = 443,
                                .clients = 100};
    struct option longs[ROW_COUNT + 2] = {{0}};
    size_t n = 0;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (ROWS[i].kind != HEADING) {
            int arg = ROWS[i].kind == FLAG ? no_argument : required_argument;
            longs[n++] = (struct option){ROWS[i].name, arg, NULL, FIRST_LONG + (int)i};
        }
    }
    longs[n] = (struct option){"help", no_argument, NULL, HELP};
    for (int c; (c = getopt_long(argc, argv, "o:h", longs, NULL)) != -1;) {
        if (c == HELP || c == 'h') {
            print_help();
            exit(0);
        }
        if (c == 'o') {
            o->output = optarg;
        } else if (c >= FIRST_LONG && c < FIRST_LONG + ROW_COUNT) {
            set(o, &ROWS[c - FIRST_LONG], optarg);
        } else {
            exit(1);
        }
    }
    if (optind < argc) {
        forge_die("'%s' is not an option (see --help)", argv[optind]);
    }
    check(o);
}
