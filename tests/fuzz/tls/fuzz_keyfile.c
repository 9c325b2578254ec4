// SPDX-License-Identifier: Apache-2.0
/*
 * A key file in memory, without a password: what one opens is left out, since its cost is a number
 * in the file, which is its owner's business.
 */
#include "tls/keyfile.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pf_keyfile file;
    struct pf_error err = {0};
    struct pf_span s = {.ptr = data, .len = size};
    enum pf_status st = pf_keyfile_parse(NULL, s, "fuzz", NULL, &file, &err);
    if (st == PF_OK && file.count == 0) {
        st = pf_keyfile_complain(&file, "fuzz", &err);
    }
    if ((st != PF_OK) != (err.text[0] != '\0') || ERR_peek_error() != 0) {
        abort();
    }
    while (file.count > 0) {
        EVP_PKEY_free(file.keys[--file.count]);
    }
    return 0;
}
