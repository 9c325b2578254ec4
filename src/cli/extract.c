// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME = 32 };

static const char help[] =
    "plainflow extract DIR -o OUT [--force] [--clear] [--mark-gaps] [FLOW...]\n\n"
    "The plaintext of every flow (or of those named) as files of raw bytes: OUT/000001.c2s is\n"
    "what the client of flow 1 sent, OUT/000001.s2c what the server sent.\n\n"
    "  -o, --output OUT   where the files go; made if it is not there\n"
    "      --force        replace files that are there\n"
    "      --clear        also what was sent in the clear before TLS began (STARTTLS, proxies)\n"
    "      --mark-gaps    a line where plaintext is missing ('?': not known; 'end': of the\n"
    "                     stream): [plainflow: N records, M bytes missing, packets A-B]\n";

struct job {
    struct pf_result *result;
    const char *dir;
    const char *out;
    int out_fd;
    bool force;
    bool clear;
    bool mark_gaps;
    char **flows; /* as given; none: all */
    size_t flow_count;
    uint64_t written;
    uint64_t locked;
};

/* Made of numbers only: nothing that was captured gets into a name. */
static void file_name(uint64_t flow, enum pf_side side, char out[NAME])
{
    (void)snprintf(out, NAME, "%06" PRIu64 ".%s", flow, side == PF_SIDE_C2S ? "c2s" : "s2c");
}

static int write_failed(const struct job *j, const char *name)
{
    pf_cli_say("%s/%s: %s", j->out, name, strerror(errno));
    return PF_EXIT_OUTPUT;
}

static int copy(struct pf_plain *p, FILE *f, const struct job *j, const char *name)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_piece piece;
    char mark[PF_CLI_MARK];
    enum pf_status st;
    while ((st = pf_plain_next(p, &piece, &err)) == PF_OK) {
        if (piece.gap && j->mark_gaps && fputs(pf_cli_gap_mark(&piece, mark), f) < 0) {
            return write_failed(j, name);
        }
        if (piece.len > 0 && fwrite(piece.data, 1, piece.len, f) != piece.len) {
            return write_failed(j, name);
        }
    }
    return st < 0 ? pf_cli_read_failed(&err) : PF_EXIT_OK;
}

static FILE *make_file(const struct job *j, const char *name)
{
    if (j->force && unlinkat(j->out_fd, name, 0) != 0 && errno != ENOENT) {
        return NULL;
    }
    int fd = openat(j->out_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (f == NULL && fd >= 0) {
        (void)close(fd);
    }
    return f;
}

static int extract_side(struct job *j, uint64_t flow, enum pf_side side)
{
    char name[NAME];
    struct pf_error err = {.status = PF_OK};
    struct pf_plain *p = NULL;
    file_name(flow, side, name);
    if (pf_plain_open(j->result, flow, side, &p, &err) != PF_OK) {
        return pf_cli_read_failed(&err);
    }
    int status;
    if (j->clear) {
        pf_plain_want_clear(p);
    }
    FILE *f = make_file(j, name);
    if (f == NULL) {
        status = write_failed(j, name);
    } else {
        status = copy(p, f, j, name);
        if (fclose(f) != 0 && status == PF_EXIT_OK) {
            status = write_failed(j, name);
        }
        if (status != PF_EXIT_OK) {
            (void)unlinkat(j->out_fd, name, 0); /* half a file must not look like a whole one */
        }
    }
    pf_plain_close(p);
    return status;
}

static int extract_flow(struct job *j, uint64_t number)
{
    struct pf_error err = {.status = PF_OK};
    struct pf_flow f;
    enum pf_status st = pf_result_flow(j->result, number, &f, &err);
    if (st != PF_OK) {
        return st == PF_END ? pf_cli_no_flow(j->result, j->dir, number) : pf_cli_read_failed(&err);
    }
    bool clear = j->clear && f.dir[0].clear_bytes + f.dir[1].clear_bytes > 0;
    if (strcmp(f.status, "locked") == 0 && !clear) {
        j->locked++;
        if (j->flow_count > 0) {
            pf_cli_say("flow %" PRIu64 " is locked: %s", number, f.reason != NULL ? f.reason : "-");
        }
        return PF_EXIT_OK;
    }
    j->written++;
    int status = extract_side(j, number, PF_SIDE_C2S);
    return status != PF_EXIT_OK ? status : extract_side(j, number, PF_SIDE_S2C);
}

/* Before anything is written: would it overwrite something? */
static int check_flow(struct job *j, uint64_t number)
{
    if (number > pf_result_flows(j->result)) {
        return pf_cli_no_flow(j->result, j->dir, number);
    }
    for (unsigned side = 0; !j->force && side < 2; side++) {
        char name[NAME];
        struct stat sb;
        file_name(number, (enum pf_side)side, name);
        if (fstatat(j->out_fd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0) {
            pf_cli_say("%s/%s is there already (--force replaces it)", j->out, name);
            return PF_EXIT_USAGE;
        }
    }
    return PF_EXIT_OK;
}

static int each_flow(struct job *j, int (*act)(struct job *, uint64_t))
{
    int status = PF_EXIT_OK;
    for (size_t i = 0; status == PF_EXIT_OK && i < j->flow_count; i++) {
        uint64_t number;
        status = pf_cli_flow_number(j->flows[i], &number) ? act(j, number) : PF_EXIT_USAGE;
    }
    if (j->flow_count == 0) {
        for (uint64_t n = 1; status == PF_EXIT_OK && n <= pf_result_flows(j->result); n++) {
            status = act(j, n);
        }
    }
    return status;
}

static int extract(struct job *j)
{
    int status = pf_cli_open_result(j->dir, &j->result);
    if (status != PF_EXIT_OK) {
        return status;
    }
    bool made = mkdir(j->out, 0700) == 0;
    j->out_fd = made || errno == EEXIST ? open(j->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (j->out_fd < 0) {
        pf_cli_say("%s: %s", j->out, strerror(errno));
        return PF_EXIT_USAGE;
    }
    status = each_flow(j, check_flow);
    if (status == PF_EXIT_OK) {
        status = each_flow(j, extract_flow);
    }
    (void)close(j->out_fd);
    if (status != PF_EXIT_OK) {
        if (made) {
            (void)rmdir(j->out); /* goes only if nothing was written */
        }
        return status;
    }
    if (j->locked > 0) {
        pf_cli_say("%" PRIu64 " flows extracted, %" PRIu64 " are locked", j->written, j->locked);
    }
    return j->locked > 0 && j->written == 0 ? PF_EXIT_LOCKED : PF_EXIT_OK;
}

int pf_cli_extract(int argc, char **argv)
{
    static const struct option longs[] = {
        {"output", required_argument, NULL, 'o'}, {"force", no_argument, NULL, 'F'},
        {"clear", no_argument, NULL, 'C'},        {"mark-gaps", no_argument, NULL, 'M'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    struct job j = {.out_fd = -1};
    int c;
    while ((c = pf_option_next(argc, argv, ":o:h", longs)) != -1) {
        if (c == '?') {
            return PF_EXIT_USAGE;
        }
        if (c == 'h') {
            (void)fputs(help, stdout);
            return pf_cli_end_output(PF_EXIT_OK);
        }
        if (c == 'o') {
            j.out = optarg;
        } else if (c == 'C') {
            j.clear = true;
        } else if (c == 'M') {
            j.mark_gaps = true;
        } else {
            j.force = true;
        }
    }
    if (argc - optind < 1) {
        return pf_option_usage(argv[0], "name a result directory");
    }
    if (j.out == NULL) {
        return pf_option_usage(argv[0], "say with -o OUT where the files are to go");
    }
    j.dir = argv[optind];
    j.flows = argv + optind + 1;
    j.flow_count = (size_t)(argc - optind - 1);
    int status = extract(&j);
    pf_result_close(j.result);
    return status;
}
