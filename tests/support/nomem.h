// SPDX-License-Identifier: Apache-2.0
/*
 * What:    lets a test ask for memory that cannot be had and get NULL, also under a sanitizer.
 * Owns:    the sanitizers' default options of the program that includes it.
 * Threads: -
 * Errors:  -
 * Limits:  include it in one file of a program.
 */
#ifndef PF_TESTS_SUPPORT_NOMEM_H
#define PF_TESTS_SUPPORT_NOMEM_H

const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

#endif
