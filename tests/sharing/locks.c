// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into the program: counts every mutex and reader-writer lock that is taken, by lock, by
 * thread and by the place in the program that led to it, and how often one had to be waited for. At
 * exit each lock and each place is a JSON line in the file that PF_LOCKS names. Locks inside glibc
 * itself (malloc, stdio) do not go through these names.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TABLE = 1 << 16, FRAMES = 40, THREADS_MAX = 64 };

struct count {
    _Atomic uintptr_t key; /* 0: free */
    atomic_ulong taken;
    atomic_ulong waited;      /* somebody else had it */
    _Atomic uint64_t threads; /* a bit each */
    _Atomic uintptr_t place;  /* of a lock: where it was taken first */
};

static struct count locks[TABLE];
static struct count places[TABLE];
static atomic_uint thread_count;
static atomic_ulong lost; /* did not fit */
static _Thread_local unsigned thread_number;
static _Thread_local int inside; /* backtrace itself takes locks the first time */
static uintptr_t program_begin;
static uintptr_t program_end;

static int (*mutex_lock)(pthread_mutex_t *);
static int (*mutex_trylock)(pthread_mutex_t *);
static int (*read_lock)(pthread_rwlock_t *);
static int (*read_trylock)(pthread_rwlock_t *);
static int (*write_lock)(pthread_rwlock_t *);
static int (*write_trylock)(pthread_rwlock_t *);

/* ISO C has no conversion from void * to a function pointer; POSIX says they are the same. */
static void resolve(void *to, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(to, &found, sizeof found);
}

/* Constructors of other libraries may take locks before ours runs. */
static void resolve_all(void)
{
    resolve(&mutex_trylock, "pthread_mutex_trylock");
    resolve(&read_lock, "pthread_rwlock_rdlock");
    resolve(&read_trylock, "pthread_rwlock_tryrdlock");
    resolve(&write_lock, "pthread_rwlock_wrlock");
    resolve(&write_trylock, "pthread_rwlock_trywrlock");
    resolve(&mutex_lock, "pthread_mutex_lock");
}

/* The first object is the program. */
static int note_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    program_begin = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type == PT_LOAD && info->dlpi_addr + h->p_vaddr + h->p_memsz > program_end) {
            program_end = info->dlpi_addr + h->p_vaddr + h->p_memsz;
        }
    }
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    void *frame;
    resolve_all();
    (void)dl_iterate_phdr(note_program, NULL);
    inside = 1;
    (void)backtrace(&frame, 1); /* it loads libgcc the first time */
    inside = 0;
}

/* The innermost frame of the program itself, as an offset into it; 1: none. */
static uintptr_t place_of_caller(void)
{
    void *frames[FRAMES];
    inside = 1;
    int n = program_end > 0 ? backtrace(frames, FRAMES) : 0;
    inside = 0;
    for (int i = 0; i < n; i++) {
        uintptr_t at = (uintptr_t)frames[i];
        if (at >= program_begin && at < program_end) {
            return at - program_begin;
        }
    }
    return 1;
}

static void add(struct count *table, uintptr_t key, uintptr_t place, int waited)
{
    size_t i = (size_t)(key * 0x9e3779b97f4a7c15u >> 48);
    uintptr_t found = 0;
    struct count *c = NULL;
    for (size_t n = 0; n < TABLE && found != key; n++) {
        c = &table[(i + n) % TABLE];
        found = atomic_load(&c->key);
        if (found == 0 && atomic_compare_exchange_strong(&c->key, &found, key)) {
            atomic_store(&c->place, place);
            found = key;
        }
    }
    if (found != key) {
        atomic_fetch_add(&lost, 1);
        return;
    }
    atomic_fetch_add(&c->taken, 1);
    atomic_fetch_add(&c->waited, waited ? 1 : 0);
    atomic_fetch_or(&c->threads, UINT64_C(1) << (thread_number - 1) % THREADS_MAX);
}

static void note(const void *lock, int waited)
{
    if (inside) {
        return;
    }
    if (thread_number == 0) {
        thread_number = atomic_fetch_add(&thread_count, 1) + 1;
    }
    uintptr_t place = place_of_caller();
    add(locks, (uintptr_t)lock, place, waited);
    add(places, place, place, waited);
}

#define LOCK(name, type, try, take)                                                                \
    int name(type *lock)                                                                           \
    {                                                                                              \
        if (mutex_lock == NULL) {                                                                  \
            resolve_all();                                                                         \
        }                                                                                          \
        int r = try(lock);                                                                         \
        int waited = r == EBUSY;                                                                   \
        if (waited) {                                                                              \
            r = take(lock);                                                                        \
        }                                                                                          \
        note(lock, waited);                                                                        \
        return r;                                                                                  \
    }

LOCK(pthread_mutex_lock, pthread_mutex_t, mutex_trylock, mutex_lock)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t, read_trylock, read_lock)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t, write_trylock, write_lock)

static void print(int fd, const char *what, const struct count *table)
{
    for (size_t i = 0; i < TABLE; i++) {
        const struct count *c = &table[i];
        if (atomic_load(&c->taken) > 0) {
            dprintf(fd,
                    "{\"%s\":\"0x%lx\",\"taken\":%lu,\"waited\":%lu,\"threads\":%d,"
                    "\"place\":\"0x%lx\"}\n",
                    what, (unsigned long)atomic_load(&c->key), atomic_load(&c->taken),
                    atomic_load(&c->waited), __builtin_popcountll(atomic_load(&c->threads)),
                    (unsigned long)atomic_load(&c->place));
        }
    }
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("PF_LOCKS");
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd >= 0) {
        print(fd, "lock", locks);
        print(fd, "at", places);
        dprintf(fd, "{\"lost\":%lu}\n", atomic_load(&lost));
        close(fd);
    }
}
