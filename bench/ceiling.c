// SPDX-License-Identifier: Apache-2.0
/* plainflow-bench: what the hardware allows. See --help. */
#include "ceiling.h"

#include "plainflow.h"

#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <lz4.h>
#include <openssl/crypto.h>
#include <pcap/pcap.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { KEYS_MAX = 64 };

struct options {
    unsigned threads;
    uint64_t sample;
    const char *dir;
    const char *result; /* NULL: decrypt first */
    const char *keys[KEYS_MAX];
    size_t n_keys;
    const char *keylogs[KEYS_MAX];
    size_t n_keylogs;
    const char *const *captures;
    size_t n_captures;
    bool json;
    bool lz4;
};

/* A run of the program itself; all 0 with --result. */
struct run {
    double wall_s;
    double cpu_s;
    struct bench_read read;
    struct bench_data data;
    unsigned rsa_bits;
    double rsa_s;  /* all of them */
    double disk_s; /* by the clock, until a result's bytes are safe */
};

static void help(void)
{
    puts(
        "usage: plainflow-bench                        what this machine can do\n"
        "       plainflow-bench [-k KEY] [-l KEYLOG] CAPTURE...\n"
        "       plainflow-bench --result DIR [-k KEY] CAPTURE...\n"
        "       plainflow-bench --lz4 [FILE...]         what LZ4 costs, and what it saves\n\n"
        "With captures: how long reading them, walking their packets' headers, opening their\n"
        "records, RSA private-key operations, LZ4 and writing take alone, each done as well as\n"
        "libpcap, libcrypto and liblz4 can, on the same bytes in the same sizes. The sum over the\n"
        "number of processors, or the time that the disk needs until so many bytes are safe\n"
        "(fdatasync) if that is longer, is the ceiling: no program that uses these libraries and\n"
        "makes its results durable is faster.\n"
        "Without --result the captures are decrypted first, and the time that took is set beside\n"
        "it; with --result DIR its plaintext is taken from there.\n\n"
        "  -k, --key FILE      RSA private key (for --result: in PEM)\n"
        "  -l, --keylog FILE   NSS key log\n"
        "  --result DIR        what `plainflow decrypt` made of these captures\n"
        "  -j, --jobs N        processors (all that this process may use)\n"
        "  --sample SIZE       measure on about so many bytes, and scale up (all)\n"
        "  --dir DIR           where to write temporary files (TMPDIR, or /tmp): on the disk that\n"
        "                      results go to\n"
        "  --json              one JSON object\n"
        "  --lz4               chunk sizes and levels, on text, this program's machine code, "
        "random\n"
        "                      bytes, and the first MiB of each FILE; 'fast N': acceleration N\n\n"
        "Times are of the processor, not of the clock on the wall, but for the disk's. Every "
        "kernel runs on all\n"
        "processors at once, so that their common memory and clock are in its time.");
}

static uint64_t size_of(const char *text)
{
    char *end = NULL;
    uint64_t n = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    end += shift > 0;
    if (end == text || *end != '\0' || n > UINT64_MAX >> shift) {
        bench_die("'%s' is not a size", text);
    }
    return n << shift;
}

static unsigned processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void add(const char **list, size_t *n, const char *item)
{
    if (*n == KEYS_MAX) {
        bench_die("at most %d keys and key logs", KEYS_MAX);
    }
    list[(*n)++] = item;
}

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option LONGS[] = {
        {"key", required_argument, NULL, 'k'},    {"keylog", required_argument, NULL, 'l'},
        {"result", required_argument, NULL, 'r'}, {"jobs", required_argument, NULL, 'j'},
        {"sample", required_argument, NULL, 's'}, {"dir", required_argument, NULL, 'd'},
        {"json", no_argument, NULL, 'J'},         {"lz4", no_argument, NULL, 'L'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    const char *tmp = getenv("TMPDIR");
    *o = (struct options){.threads = processors(), .dir = tmp != NULL ? tmp : "/tmp"};
    for (int c; (c = getopt_long(argc, argv, "k:l:j:h", LONGS, NULL)) != -1;) {
        switch (c) {
        case 'k':
            add(o->keys, &o->n_keys, optarg);
            break;
        case 'l':
            add(o->keylogs, &o->n_keylogs, optarg);
            break;
        case 'r':
            o->result = optarg;
            break;
        case 'j':
            o->threads = (unsigned)size_of(optarg);
            break;
        case 's':
            o->sample = size_of(optarg);
            break;
        case 'd':
            o->dir = optarg;
            break;
        case 'J':
            o->json = true;
            break;
        case 'L':
            o->lz4 = true;
            break;
        case 'h':
            help();
            exit(0);
        default:
            exit(1);
        }
    }
    if (o->threads == 0 || o->threads > 1000) {
        bench_die("--jobs: 1 to 1000");
    }
    o->captures = (const char *const *)argv + optind;
    o->n_captures = (size_t)(argc - optind);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static uint64_t bytes_seen; /* nftw hands nothing on */

static int add_size(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)path;
    (void)at;
    bytes_seen += type == FTW_F ? (uint64_t)st->st_size : 0;
    return 0;
}

/* Plaintext, index, lines of flows: all that was written. */
static uint64_t bytes_below(const char *dir)
{
    bytes_seen = 0;
    if (nftw(dir, add_size, 16, FTW_PHYS) != 0) {
        bench_die("%s: cannot be walked", dir);
    }
    return bytes_seen;
}

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double process_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void decrypt(const struct options *o, const char *output, struct run *r)
{
    const struct pf_options run_options = {.captures = {o->captures, o->n_captures},
                                           .keys = {o->keys, o->n_keys},
                                           .keylogs = {o->keylogs, o->n_keylogs},
                                           .output = output,
                                           .jobs = o->threads};
    struct pf_run *run = NULL;
    struct pf_error err = {0};
    double start = wall();
    double cpu = process_cpu();
    bench_must(pf_run_new(&run_options, &run, &err), &err);
    bench_must(pf_run_start(run, &err), &err);
    while (pf_run_wait(run, -1) == PF_AGAIN) {
    }
    const struct pf_summary *s = pf_run_summary(run);
    if (s->status != PF_OK) {
        bench_die("%s", s->message);
    }
    pf_run_free(run);
    r->wall_s = wall() - start;
    r->cpu_s = process_cpu() - cpu;
}

static void measure(const struct options *o, const char *result, struct run *r)
{
    bench_read(o->captures, o->n_captures, o->threads, o->sample, &r->read);
    bench_result(result, o->dir, o->threads, o->sample, &r->data);
    if (r->data.unwraps > 0) {
        double each = bench_rsa(o->result != NULL && o->n_keys > 0 ? o->keys[0] : NULL, 2048,
                                o->threads, &r->rsa_bits);
        r->rsa_s = each * (double)r->data.unwraps;
    }
    r->disk_s = bench_disk(o->dir, o->threads, bytes_below(result));
}

static double less(double a, double b)
{
    return a > 0 && a < b ? a : b;
}

/* The parts of the ceiling; of two ways to do the same the quicker one. */
static const struct part {
    const char *name;
    const char *what;
} PARTS[] = {{"read", "read the captures"},
             {"walk", "walk the packets' headers"},
             {"open", "decrypt and verify"},
             {"rsa", "RSA private operations"},
             {"lz4", "compress"},
             {"write", "write"}};

enum { PART_COUNT = sizeof PARTS / sizeof PARTS[0] };

static double parts_of(const struct run *r, double seconds[PART_COUNT])
{
    double sum = 0;
    seconds[0] = less(r->read.libpcap_s, r->read.reader_s);
    seconds[1] = r->read.walk_s;
    seconds[2] = r->data.open_s;
    seconds[3] = r->rsa_s;
    seconds[4] = less(r->data.lz4_s, r->data.pack_s);
    seconds[5] = r->data.write_s;
    for (size_t i = 0; i < PART_COUNT; i++) {
        sum += seconds[i];
    }
    return sum;
}

/* The processors work while the disk does. */
static double ceiling_of(const struct run *r, unsigned processors, double sum)
{
    return sum / processors > r->disk_s ? sum / processors : r->disk_s;
}

static void print_json(const struct options *o, const struct run *r)
{
    double seconds[PART_COUNT];
    double sum = parts_of(r, seconds);
    json_t *kernels = json_object();
    for (size_t i = 0; i < PART_COUNT; i++) {
        json_object_set_new(kernels, PARTS[i].name, json_real(seconds[i]));
    }
    json_t *all = json_pack(
        "{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:o, s:f, s:f, s:f, s:f, s:f, s:f}",
        "processors", (int)o->threads, "capture_bytes", (json_int_t)r->read.bytes, "packets",
        (json_int_t)r->read.packets, "flows", (json_int_t)r->data.flows, "unwraps",
        (json_int_t)r->data.unwraps, "records", (json_int_t)r->data.records, "plaintext_bytes",
        (json_int_t)r->data.plain_bytes, "packed_bytes", (json_int_t)r->data.packed_bytes,
        "left_out_bytes", (json_int_t)r->data.left_out, "rsa_bits", (int)r->rsa_bits, "kernels",
        kernels, "libpcap_s", r->read.libpcap_s, "reader_s", r->read.reader_s, "lz4_s",
        r->data.lz4_s, "pack_s", r->data.pack_s, "disk_s", r->disk_s, "sum_s", sum);
    if (all == NULL ||
        json_object_set_new(all, "ceiling_s", json_real(ceiling_of(r, o->threads, sum))) != 0) {
        bench_die("out of memory");
    }
    if (r->wall_s > 0) {
        json_object_set_new(all, "wall_s", json_real(r->wall_s));
        json_object_set_new(all, "cpu_s", json_real(r->cpu_s));
    }
    (void)json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

static void print_table(const struct options *o, const struct run *r)
{
    double seconds[PART_COUNT];
    double sum = parts_of(r, seconds);
    double ceiling = ceiling_of(r, o->threads, sum);
    printf("%" PRIu64 " bytes of capture, %" PRIu64 " packets, %" PRIu64 " flows, %" PRIu64
           " records, %" PRIu64 " bytes of plaintext, %" PRIu64 " stored\n",
           r->read.bytes, r->read.packets, r->data.flows, r->data.records, r->data.plain_bytes,
           r->data.packed_bytes);
    for (size_t i = 0; i < PART_COUNT; i++) {
        printf("  %-28s %9.3f s of a processor\n", PARTS[i].what, seconds[i]);
    }
    printf("  %-28s %9.3f s on %u processors\n", "all that", sum / o->threads, o->threads);
    printf("  %-28s %9.3f s by the clock\n", "the disk, until all is safe", r->disk_s);
    printf("  %-28s %9.3f s (the longer of the two): %.0f MB/s of capture\n", "the ceiling",
           ceiling, (double)r->read.bytes / 1e6 / ceiling);
    if (r->wall_s > 0) {
        printf("  %-28s %9.3f s, %.3f s of processors: %.0f %% of the ceiling\n", "plainflow",
               r->wall_s, r->cpu_s, 100 * ceiling / r->wall_s);
    }
    if (r->data.left_out > 0) {
        printf("  %" PRIu64 " bytes are under ciphers that libcrypto alone cannot open\n",
               r->data.left_out);
    }
}

static void workload(const struct options *o)
{
    struct run r = {0};
    char own[4096];
    const char *result = o->result;
    if (result == NULL) {
        int n = snprintf(own, sizeof own, "%s/plainflow-bench.XXXXXX", o->dir);
        if (n >= (int)sizeof own || mkdtemp(own) == NULL) {
            bench_die("%s: cannot make a folder there", o->dir);
        }
        decrypt(o, own, &r);
        result = own;
    }
    measure(o, result, &r);
    if (o->result == NULL) {
        (void)nftw(own, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    if (o->json) {
        print_json(o, &r);
    } else {
        print_table(o, &r);
    }
}

int main(int argc, char **argv)
{
    struct options o;
    parse(&o, argc, argv);
    if (!o.json) {
        printf("plainflow %s, %s, liblz4 %s, %s, %u processors\n", PF_VERSION,
               OpenSSL_version(OPENSSL_VERSION), LZ4_versionString(), pcap_lib_version(),
               o.threads);
    }
    if (o.lz4) {
        bench_lz4(o.threads, o.captures, o.n_captures);
    } else if (o.n_captures > 0) {
        workload(&o);
    } else {
        bench_machine(o.threads, o.dir);
    }
    return 0;
}
