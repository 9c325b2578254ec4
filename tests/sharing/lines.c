// SPDX-License-Identifier: Apache-2.0
/*
 * Linked into a program compiled with -fsanitize=thread, in place of ThreadSanitizer's own library:
 * counts, for each line of 64 bytes, which threads write it, and how often the writer was another
 * thread than the time before. At exit lines that more than two threads wrote are a JSON line each
 * in the file that PF_LINES names. What libraries write is not seen, except by memcpy, memmove and
 * memset called from the program (linked with --wrap); stacks are left out. A block that is freed
 * is forgotten: who gets the memory next has nothing to do with who had it.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SHIFT = 6, TABLE_BITS = 21, TABLE = 1 << TABLE_BITS, PROBES = 64, YIELD = 256 };

struct line {
    _Atomic uint64_t number; /* address >> LINE_SHIFT; 0: free */
    _Atomic uint64_t threads;
    _Atomic uint64_t written;
    _Atomic uint64_t changed; /* of those, by another thread than before */
    _Atomic uint64_t last;    /* thread */
    _Atomic uintptr_t place;  /* of the last change */
};

static struct line lines[TABLE];
static atomic_uint thread_count;
static atomic_ulong lost;
static _Thread_local uint64_t self; /* one bit, or 0 at first */
static _Thread_local unsigned writes;
static _Thread_local uintptr_t stack_begin;
static _Thread_local uintptr_t stack_end;

static void begin_thread(void)
{
    pthread_attr_t attr;
    void *stack = NULL;
    size_t size = 0;
    self = UINT64_C(1) << atomic_fetch_add(&thread_count, 1) % 64;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &stack, &size);
        pthread_attr_destroy(&attr);
    }
    stack_begin = (uintptr_t)stack;
    stack_end = stack_begin + size;
}

static struct line *find(uint64_t number, int make)
{
    size_t i = (size_t)(number * 0x9e3779b97f4a7c15u >> (64 - TABLE_BITS));
    for (size_t n = 0; n < PROBES; n++) {
        struct line *l = &lines[(i + n) % TABLE];
        uint64_t found = atomic_load_explicit(&l->number, memory_order_relaxed);
        if (found == 0 && make && atomic_compare_exchange_strong(&l->number, &found, number)) {
            found = number;
        }
        if (found == number) {
            return l;
        }
        if (found == 0) {
            return NULL;
        }
    }
    atomic_fetch_add(&lost, 1);
    return NULL;
}

static void note_line(uint64_t number, uintptr_t place)
{
    struct line *l = find(number, 1);
    if (l == NULL) {
        return;
    }
    atomic_fetch_or(&l->threads, self);
    atomic_fetch_add(&l->written, 1);
    if (atomic_exchange(&l->last, self) != self) {
        atomic_fetch_add(&l->changed, 1);
        atomic_store_explicit(&l->place, place, memory_order_relaxed);
    }
}

/* Two processors run two threads at a time: yielding now and then lets the others in between. */
static void note(const void *address, size_t len, const void *place)
{
    uintptr_t at = (uintptr_t)address;
    if (self == 0) {
        begin_thread();
    }
    if (len == 0 || (at >= stack_begin && at < stack_end)) {
        return;
    }
    for (uint64_t n = at >> LINE_SHIFT; n <= (at + len - 1) >> LINE_SHIFT; n++) {
        note_line(n, (uintptr_t)place);
    }
    if (++writes % YIELD == 0) {
        sched_yield();
    }
}

#define HERE __builtin_return_address(0)

/* ---- what the compiler calls. Declared here: no header has them. */

#define ACCESS(size)                                                                               \
    void __tsan_read##size(const void *p);                                                         \
    void __tsan_write##size(void *p);                                                              \
    void __tsan_unaligned_read##size(const void *p);                                               \
    void __tsan_unaligned_write##size(void *p);                                                    \
    void __tsan_read##size(const void *p)                                                          \
    {                                                                                              \
        (void)p;                                                                                   \
    }                                                                                              \
    void __tsan_write##size(void *p)                                                               \
    {                                                                                              \
        note(p, size, HERE);                                                                       \
    }                                                                                              \
    void __tsan_unaligned_read##size(const void *p)                                                \
    {                                                                                              \
        (void)p;                                                                                   \
    }                                                                                              \
    void __tsan_unaligned_write##size(void *p)                                                     \
    {                                                                                              \
        note(p, size, HERE);                                                                       \
    }

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_init(void);
void __tsan_read_range(const void *p, unsigned long n);
void __tsan_write_range(void *p, unsigned long n);
void __tsan_func_entry(void *p);
void __tsan_func_exit(void);

void __tsan_init(void)
{
}

void __tsan_read_range(const void *p, unsigned long n)
{
    (void)p;
    (void)n;
}

void __tsan_write_range(void *p, unsigned long n)
{
    note(p, n, HERE);
}

void __tsan_func_entry(void *p)
{
    (void)p;
}

void __tsan_func_exit(void)
{
}

/* The strongest order serves for every one. */
#define UPDATE(bits, op)                                                                           \
    uint##bits##_t __tsan_atomic##bits##_fetch_##op(volatile void *p, uint##bits##_t v,            \
                                                    int order);                                    \
    uint##bits##_t __tsan_atomic##bits##_fetch_##op(volatile void *p, uint##bits##_t v, int order) \
    {                                                                                              \
        (void)order;                                                                               \
        note((const void *)p, sizeof v, HERE);                                                     \
        return __atomic_fetch_##op((volatile uint##bits##_t *)p, v, __ATOMIC_SEQ_CST);             \
    }

#define ATOMIC(bits)                                                                               \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile void *p, int order);                  \
    void __tsan_atomic##bits##_store(volatile void *p, uint##bits##_t v, int order);               \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile void *p, uint##bits##_t v, int order);  \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile void *p, void *e, uint##bits##_t v, \
                                                      int order, int fail);                        \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile void *p, void *e, uint##bits##_t v,   \
                                                    int order, int fail);                          \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile void *p, int order)                   \
    {                                                                                              \
        (void)order;                                                                               \
        return __atomic_load_n((const volatile uint##bits##_t *)p, __ATOMIC_SEQ_CST);              \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile void *p, uint##bits##_t v, int order)                \
    {                                                                                              \
        (void)order;                                                                               \
        note((const void *)p, sizeof v, HERE);                                                     \
        __atomic_store_n((volatile uint##bits##_t *)p, v, __ATOMIC_SEQ_CST);                       \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile void *p, uint##bits##_t v, int order)   \
    {                                                                                              \
        (void)order;                                                                               \
        note((const void *)p, sizeof v, HERE);                                                     \
        return __atomic_exchange_n((volatile uint##bits##_t *)p, v, __ATOMIC_SEQ_CST);             \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile void *p, void *e, uint##bits##_t v, \
                                                      int order, int fail)                         \
    {                                                                                              \
        (void)order;                                                                               \
        (void)fail;                                                                                \
        note((const void *)p, sizeof v, HERE);                                                     \
        return __atomic_compare_exchange_n((volatile uint##bits##_t *)p, (uint##bits##_t *)e, v,   \
                                           0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                 \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile void *p, void *e, uint##bits##_t v,   \
                                                    int order, int fail)                           \
    {                                                                                              \
        return __tsan_atomic##bits##_compare_exchange_strong(p, e, v, order, fail);                \
    }                                                                                              \
    UPDATE(bits, add)                                                                              \
    UPDATE(bits, sub)                                                                              \
    UPDATE(bits, and)                                                                              \
    UPDATE(bits, or)                                                                               \
    UPDATE(bits, xor)

ATOMIC(8)
ATOMIC(32)
ATOMIC(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);

void __tsan_atomic_thread_fence(int order)
{
    (void)order;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

/* ---- by way of the linker's --wrap */

void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__real_memset(void *to, int c, size_t n);
void __real_free(void *p);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
void *__wrap_memset(void *to, int c, size_t n);
void __wrap_free(void *p);

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
    note(to, n, HERE);
    return __real_memcpy(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
    note(to, n, HERE);
    return __real_memmove(to, from, n);
}

void *__wrap_memset(void *to, int c, size_t n)
{
    note(to, n, HERE);
    return __real_memset(to, c, n);
}

/* A line at the edge may be another block's too, and then keeps what it has. */
void __wrap_free(void *p)
{
    uintptr_t at = (uintptr_t)p;
    size_t len = p != NULL ? malloc_usable_size(p) : 0;
    uint64_t first = (at + (1 << LINE_SHIFT) - 1) >> LINE_SHIFT;
    for (uint64_t n = first; len > 0 && n < (at + len) >> LINE_SHIFT; n++) {
        struct line *l = find(n, 0);
        if (l != NULL) {
            atomic_store(&l->threads, 0);
            atomic_store(&l->written, 0);
            atomic_store(&l->changed, 0);
            atomic_store(&l->last, 0);
        }
    }
    __real_free(p);
}

/* ---- the end */

static uintptr_t program_begin(void)
{
    extern char __executable_start[];
    return (uintptr_t)__executable_start;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("PF_LINES");
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    for (size_t i = 0; fd >= 0 && i < TABLE; i++) {
        const struct line *l = &lines[i];
        int threads = __builtin_popcountll(atomic_load(&l->threads));
        if (threads > 2) {
            dprintf(fd,
                    "{\"line\":\"0x%llx\",\"threads\":%d,\"written\":%llu,\"changed\":%llu,"
                    "\"place\":\"0x%llx\"}\n",
                    (unsigned long long)atomic_load(&l->number) << LINE_SHIFT, threads,
                    (unsigned long long)atomic_load(&l->written),
                    (unsigned long long)atomic_load(&l->changed),
                    (unsigned long long)(atomic_load(&l->place) - program_begin()));
        }
    }
    if (fd >= 0) {
        dprintf(fd, "{\"lost\":%lu,\"all_threads\":%u}\n", atomic_load(&lost),
                atomic_load(&thread_count));
        close(fd);
    }
}
