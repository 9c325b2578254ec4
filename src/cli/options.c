// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

bool pf_option_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        unsigned digit = (unsigned)(*text - '0');
        if (v > (UINT64_MAX - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *out = v;
    return v >= min && v <= max;
}

bool pf_option_size(const char *text, uint64_t *out)
{
    static const char units[] = "KMGT";
    char digits[24];
    size_t len = strlen(text);
    unsigned shift = 0;
    if (len > 0) {
        const char *unit = strchr(units, text[len - 1] & ~0x20); /* lower case, too */
        if (unit != NULL && text[len - 1] >= 'A') {
            shift = 10 * (unsigned)(unit - units + 1);
            len--;
        }
    }
    if (len == 0 || len >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, text, len);
    digits[len] = '\0';
    uint64_t v;
    if (!pf_option_number(digits, 1, UINT64_MAX >> shift, &v)) {
        return false;
    }
    *out = v << shift;
    return true;
}

int pf_option_usage(const char *command, const char *what)
{
    pf_cli_say("%s: %s (see plainflow %s --help)", command, what, command);
    return PF_EXIT_USAGE;
}

int pf_option_next(int argc, char **argv, const char *shorts, const struct option *longs)
{
    opterr = 0;
    int c = getopt_long(argc, argv, shorts, longs, NULL);
    if (c != '?' && c != ':') {
        return c;
    }
    char text[256];
    const char *word = argv[optind - 1]; /* getopt has gone past it, except within -xyz */
    if (c == ':') {
        (void)snprintf(text, sizeof(text), "option %.100s needs a value", word);
    } else if (optopt == 0) {
        (void)snprintf(text, sizeof(text), "there is no option %.100s, or more than one", word);
    } else if (strncmp(word, "--", 2) == 0 && strchr(word, '=') != NULL) {
        (void)snprintf(text, sizeof(text), "%.100s: the option takes no value", word);
    } else {
        (void)snprintf(text, sizeof(text), "there is no option -%c", optopt);
    }
    (void)pf_option_usage(argv[0], text);
    return '?';
}

enum {
    OPT_KEY_DIR = 256,
    OPT_PASSWORD,
    OPT_PSK,
    OPT_FORCE,
    OPT_MEMORY,
    OPT_COMPRESS,
    OPT_LEVEL,
    OPT_SHA256,
    OPT_STRICT,
    OPT_JSON,
    OPT_INJECT,
    OPT_TWO_PASS,
    OPT_SHARD
};

static const char shorts[] = ":k:l:o:f:j:qvh";
static const struct option longs[] = {
    {"key", required_argument, NULL, 'k'},
    {"key-dir", required_argument, NULL, OPT_KEY_DIR},
    {"key-password-file", required_argument, NULL, OPT_PASSWORD},
    {"keylog", required_argument, NULL, 'l'},
    {"psk", required_argument, NULL, OPT_PSK},
    {"output", required_argument, NULL, 'o'},
    {"force", no_argument, NULL, OPT_FORCE},
    {"filter", required_argument, NULL, 'f'},
    {"jobs", required_argument, NULL, 'j'},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"compress", required_argument, NULL, OPT_COMPRESS},
    {"level", required_argument, NULL, OPT_LEVEL},
    {"sha256", no_argument, NULL, OPT_SHA256},
    {"strict", no_argument, NULL, OPT_STRICT},
    {"json", no_argument, NULL, OPT_JSON},
    {"inject", required_argument, NULL, OPT_INJECT},
    {"two-pass", no_argument, NULL, OPT_TWO_PASS},
    {"shard", required_argument, NULL, OPT_SHARD},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* What is said of captures and keys serves every mode; the rest is of one. */
static bool serves(enum pf_run_mode mode, int c)
{
    switch (c) {
    case 'o':
    case OPT_FORCE:
        return mode == PF_RUN_DECRYPT || mode == PF_RUN_SECRETS;
    case OPT_INJECT:
        return mode == PF_RUN_SECRETS;
    case OPT_COMPRESS:
    case OPT_LEVEL:
    case OPT_SHARD:
    case OPT_SHA256:
    case OPT_STRICT:
        return mode == PF_RUN_DECRYPT;
    case OPT_JSON:
        return mode == PF_RUN_HANDSHAKES;
    default:
        return true;
    }
}

static bool bad_value(const char *command, const char *option, const char *value,
                      const char *expected)
{
    pf_cli_say("%s: %s %s: expected %s", command, option, value, expected);
    return false;
}

static bool set_compress(struct pf_options *o, const char *command, const char *value)
{
    if (strcmp(value, "lz4") == 0) {
        o->compress = PF_COMPRESS_LZ4;
    } else if (strcmp(value, "none") == 0) {
        o->compress = PF_COMPRESS_NONE;
    } else {
        return bad_value(command, "--compress", value, "lz4 or none");
    }
    return true;
}

/* "I/N": shard I of N. */
static bool set_shard(struct pf_options *o, const char *command, const char *value)
{
    char index[16];
    uint64_t i;
    uint64_t n;
    size_t len = strcspn(value, "/");
    bool good = len > 0 && len < sizeof index && value[len] == '/';
    if (good) {
        memcpy(index, value, len);
        index[len] = '\0';
        good = pf_option_number(index, 1, 65535, &i) &&
               pf_option_number(value + len + 1, 1, 65535, &n) && i <= n;
    }
    if (!good) {
        return bad_value(command, "--shard", value, "I/N, such as 2/4");
    }
    o->shard = (unsigned)i;
    o->shards = (unsigned)n;
    return true;
}

static bool set_number(struct pf_options *o, int c, const char *command, const char *value)
{
    uint64_t v;
    if (c == OPT_MEMORY) {
        return pf_option_size(value, &o->memory) ||
               bad_value(command, "--memory", value, "a size such as 512M or 4G");
    }
    if (c == 'j') {
        if (!pf_option_number(value, 1, 1000, &v)) {
            return bad_value(command, "--jobs", value, "1 to 1000 worker threads");
        }
        o->jobs = (unsigned)v;
        return true;
    }
    if (!pf_option_number(value, 0, 12, &v)) {
        return bad_value(command, "--level", value, "0 (fast) to 12 (small)");
    }
    o->level = (int)v;
    return true;
}

enum { LISTS = 4 };

/* Adds to the list of a repeatable option; false if c is none. */
static bool add_to_list(struct pf_cli_options *o, int c, const char *value)
{
    static const int options[LISTS] = {'k', 'l', OPT_KEY_DIR, OPT_PSK};
    struct pf_strings *const lists[LISTS] = {&o->run.keys, &o->run.keylogs, &o->run.key_dirs,
                                             &o->run.psks};
    for (size_t i = 0; i < LISTS; i++) {
        if (options[i] == c) {
            const char **items = o->lists + i * o->room;
            items[lists[i]->count++] = value;
            lists[i]->items = items;
            return true;
        }
    }
    return false;
}

static bool set_option(struct pf_cli_options *o, int c, const char *command, const char *value)
{
    if (add_to_list(o, c, value)) {
        return true;
    }
    switch (c) {
    case OPT_PASSWORD:
        o->run.key_password_file = value;
        return true;
    case 'o':
        o->run.output = value;
        return true;
    case 'f':
        o->run.filter = value;
        return true;
    case OPT_FORCE:
        o->run.force = true;
        return true;
    case OPT_SHA256:
        o->run.sha256 = true;
        return true;
    case OPT_STRICT:
        o->run.strict = true;
        return true;
    case OPT_JSON:
        o->run.json = true;
        return true;
    case OPT_INJECT:
        o->run.inject = value;
        return true;
    case OPT_TWO_PASS:
        o->run.two_pass = true;
        return true;
    case OPT_SHARD:
        return set_shard(&o->run, command, value);
    case 'q':
        o->run.verbosity--;
        return true;
    case 'v':
        o->run.verbosity++;
        return true;
    case 'h':
        o->help = true;
        return true;
    case OPT_COMPRESS:
        return set_compress(&o->run, command, value);
    default:
        return set_number(&o->run, c, command, value);
    }
}

/* One option; argv[optind - 1] is it, or its value. */
static bool take_option(int argc, char **argv, struct pf_cli_options *o, int *c)
{
    int at = optind;
    *c = pf_option_next(argc, argv, shorts, longs);
    if (*c != -1 && *c != '?' && !serves(o->run.mode, *c)) {
        char text[96];
        (void)snprintf(text, sizeof(text), "there is no option %.60s here", argv[at]);
        (void)pf_option_usage(argv[0], text);
        return false;
    }
    return *c == -1 || (*c != '?' && set_option(o, *c, argv[0], optarg));
}

bool pf_cli_options_parse(int argc, char **argv, enum pf_run_mode mode, struct pf_cli_options *o)
{
    memset(o, 0, sizeof(*o));
    o->run.mode = mode;
    o->room = (size_t)argc;
    o->lists = calloc(LISTS * o->room, sizeof(const char *));
    if (o->lists == NULL) {
        pf_cli_say("out of memory");
        return false;
    }
    int c = 0;
    while (c != -1) {
        if (!take_option(argc, argv, o, &c)) {
            return false;
        }
    }
    o->run.captures = (struct pf_strings){.items = (const char *const *)argv + optind,
                                          .count = (size_t)(argc - optind)};
    if (o->help) {
        return true;
    }
    if (o->run.output == NULL && mode == PF_RUN_DECRYPT) {
        (void)pf_option_usage(argv[0], "say with -o DIR where the result is to go");
        return false;
    }
    if (o->run.captures.count == 0) {
        (void)pf_option_usage(argv[0], "no capture given ('-' is standard input)");
        return false;
    }
    return true;
}

void pf_cli_options_fini(struct pf_cli_options *o)
{
    free(o->lists);
    o->lists = NULL;
}
