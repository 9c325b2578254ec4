// SPDX-License-Identifier: Apache-2.0
#include "flow/held.h"

#include <string.h>

/* Blocks with their header: small ones, 1460 bytes, jumbo frames; larger packets are split. */
static const uint32_t block_size[PF_REASM_CLASSES] = {128, 512, 1536, PF_SEG_BLOCK_MAX};

enum { SLAB_TARGET = 64 * 1024 - 1024 };

void pf_reasm_env_init(struct pf_reasm_env *env, struct pf_budget *budget, uint32_t max_held)
{
    env->max_held = max_held;
    env->steps = 0;
    for (size_t i = 0; i < PF_REASM_CLASSES; i++) {
        pf_pool_init(&env->blocks[i], block_size[i], SLAB_TARGET / block_size[i], budget);
    }
}

void pf_reasm_env_fini(struct pf_reasm_env *env)
{
    for (size_t i = 0; i < PF_REASM_CLASSES; i++) {
        pf_pool_fini(&env->blocks[i]);
    }
}

/* ---- blocks ---- */

struct pf_seg *pf_seg_new(struct pf_reasm *r, uint32_t n)
{
    uint16_t block = 0;
    while (block_size[block] - sizeof(struct pf_seg) < n) {
        block++;
    }
    void *object;
    if (block_size[block] > r->env->max_held - r->held ||
        pf_pool_get(&r->env->blocks[block], &object) != PF_OK) {
        return NULL;
    }
    struct pf_seg *s = object;
    s->off = r->pkt_off;
    s->packet = r->pkt->number;
    s->ts_ns = r->pkt->ts_ns;
    s->len = n;
    s->block = block;
    s->doubt = r->doubt;
    memcpy(s->data, pf_pkt_rest(r), n);
    r->held += block_size[block];
    return s;
}

void pf_seg_release(struct pf_reasm *r, struct pf_seg *s)
{
    r->held -= block_size[s->block];
    pf_pool_put(&r->env->blocks[s->block], s);
}

uint32_t pf_seg_cost(const struct pf_seg *s)
{
    return block_size[s->block];
}

/* ---- order ---- */

/*
 * A splay tree: amortised O(log n) whatever the input, O(1) per segment for the orders that are
 * common (ascending, descending, interleaved), and nothing to keep balanced by hand.
 *
 * Top-down (Sleator and Tarjan 1985): the node at off, or else one of its two neighbours, becomes
 * the root.
 */
static struct pf_seg *splay(struct pf_seg *t, uint64_t off, uint64_t *steps)
{
    struct pf_seg *less = NULL;
    struct pf_seg *more = NULL;
    struct pf_seg **less_end = &less;
    struct pf_seg **more_end = &more;
    if (t == NULL) {
        return NULL;
    }
    while (off != t->off) {
        bool down_left = off < t->off;
        struct pf_seg *c = down_left ? t->left : t->right;
        ++*steps;
        if (c == NULL) {
            break;
        }
        if (down_left && off < c->off) {
            t->left = c->right;
            c->right = t;
            t = c;
        } else if (!down_left && off > c->off) {
            t->right = c->left;
            c->left = t;
            t = c;
        }
        c = down_left ? t->left : t->right;
        if (c == NULL) {
            break;
        }
        if (down_left) {
            *more_end = t;
            more_end = &t->left;
        } else {
            *less_end = t;
            less_end = &t->right;
        }
        t = c;
    }
    *less_end = t->left;
    *more_end = t->right;
    t->left = less;
    t->right = more;
    return t;
}

void pf_held_neighbours(struct pf_reasm *r, uint64_t off, struct pf_seg **below,
                        struct pf_seg **above)
{
    struct pf_seg *root = splay(r->root, off, &r->env->steps);
    r->root = root;
    *below = NULL;
    *above = NULL;
    if (root == NULL) {
        return;
    }
    if (root->off <= off) {
        root->right = splay(root->right, off, &r->env->steps);
        *below = root;
        *above = root->right;
    } else {
        root->left = splay(root->left, off, &r->env->steps);
        *below = root->left;
        *above = root;
    }
}

void pf_held_insert(struct pf_reasm *r, struct pf_seg *s)
{
    struct pf_seg *root = r->root;
    s->left = NULL;
    s->right = NULL;
    if (root != NULL && root->off < s->off) {
        s->left = root;
        s->right = root->right;
        root->right = NULL;
    } else if (root != NULL) {
        s->right = root;
        s->left = root->left;
        root->left = NULL;
    }
    r->root = s;
    r->segs++;
    if (r->low == NULL || s->off < r->low->off) {
        r->low = s;
    }
}

struct pf_seg *pf_held_take_low(struct pf_reasm *r)
{
    struct pf_seg *s = splay(r->root, r->low->off, &r->env->steps);
    r->root = splay(s->right, 0, &r->env->steps);
    r->low = r->root;
    r->segs--;
    return s;
}
