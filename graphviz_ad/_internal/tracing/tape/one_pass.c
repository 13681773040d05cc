/* Elements in a row -> their least, their greatest, their sum, the sum of their squares and a weighted sum, in one pass
   over the memory.

   `by_numpy` in one_pass.py says the same to the last bit. A block has ROWS rows of LANES elements; a lane adds up what
   stands in it, row after row, in the dtype of the elements; what it has of all blocks is added up in double precision,
   and so are then the lanes, each FOLDED-th first. No order is left to the compiler, which must neither reorder
   sums nor fuse a product with a sum: no -ffast-math, and -ffp-contract=off.

   Blocks of a long row may be gone through by several threads, each taking the next that nobody has; what each lane has
   of each block is then added up here, block after block, so that it is the same for any number of threads. They are
   those in which torch computes, where the caller knows how to reach them: after an operation these keep the processors busy for a
   while, waiting for the next one, so that others would wait for them. Else they are threads that live no longer than
   the call, and take no signals.

   This file includes itself once for each dtype and width of vectors. */

#ifndef NAME

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define EDITION 4 /* one_pass.py believes no other */
#define LANES 1024
#define ROWS 64
#define FOLDED 32   /* lanes that are left when they are added up a first time, one after the other */
#define BLOCKS 1024 /* weights of blocks, which then begin again */
#define FOUND (3 * LANES + 2) /* numbers that are kept of a block that was shared */
#define DEEP 4      /* rows that are added at a time, each read from its begin to its end */
#define MOST_THREADS 8
#define JOINED_(one, other) one##_##other
#define JOINED(one, other) JOINED_(one, other)

typedef void RUN(void (*)(void *), void *, unsigned, unsigned); /* a parallel region of OpenMP, as GCC calls it */

int edition(void) { return EDITION; }

static void *begun(void *given) {
    void **call = given;
    ((void (*)(void *))(size_t)call[0])(call[1]);
    return NULL;
}

/* Run it in threads of our own, and here. */
static void in_own_threads(void (*run)(void *), void *given, size_t threads) {
    pthread_t others[MOST_THREADS];
    int runs[MOST_THREADS] = {0};
    void *call[2] = {(void *)(size_t)run, given};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t k = 1; k < threads && k < MOST_THREADS; k++)
        runs[k] = !pthread_create(others + k, NULL, begun, call);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    run(given);
    for (size_t k = 1; k < MOST_THREADS; k++)
        if (runs[k]) pthread_join(others[k], NULL);
}

#define TARGET
#define BYTES 16
#define NAME floats
#define REAL float
#define WHOLE int
#include "one_pass.c"
#define NAME doubles
#define REAL double
#define WHOLE long long
#include "one_pass.c"
#undef TARGET
#undef BYTES

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2")))
#define BYTES 32
#define NAME wide_floats
#define REAL float
#define WHOLE int
#include "one_pass.c"
#define NAME wide_doubles
#define REAL double
#define WHOLE long long
#include "one_pass.c"
int is_wide(void) { return !!__builtin_cpu_supports("avx2"); }
#else
int is_wide(void) { return 0; }
#endif

#else

#define WIDTH (BYTES / sizeof(REAL))
#define VECTOR JOINED(NAME, vector)
#define MASK JOINED(NAME, mask)
#define SOFAR JOINED(NAME, sofar)
#define PART JOINED(NAME, part)
#define AT(place) (*(VECTOR *)(place))
#define CHOSEN(mask, one, other) ((VECTOR)(((MASK)(one) & (mask)) | ((MASK)(other) & ~(mask))))

typedef REAL VECTOR __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
typedef WHOLE MASK __attribute__((vector_size(BYTES)));
typedef struct {
    REAL sums[LANES], squares[LANES], weighted[LANES];
    REAL least[DEEP * WIDTH], most[DEEP * WIDTH];
} SOFAR;
typedef struct {
    const REAL *elements, *weights;
    size_t count, blocks, next; /* elements, blocks, and the first block that nobody has taken */
    REAL *found;                /* of each block what its lanes have, its least and its most */
} PART;

/* The first lanes of so many rows, which the compiler knows. */
TARGET static inline __attribute__((always_inline)) void JOINED(NAME, add)(
    const REAL *first, const REAL *weights, size_t deep, size_t lanes, SOFAR *sofar) {
    VECTOR least[DEEP], most[DEEP];
    for (size_t k = 0; k < deep; k++) least[k] = AT(sofar->least + k * WIDTH), most[k] = AT(sofar->most + k * WIDTH);
    for (size_t lane = 0; lane < lanes; lane += WIDTH) {
        VECTOR s = AT(sofar->sums + lane), q = AT(sofar->squares + lane), w = AT(sofar->weighted + lane);
        for (size_t k = 0; k < deep; k++) {
            VECTOR x = AT(first + k * LANES + lane);
            s += x;
            q += x * x;
            w += x * AT(weights + k * LANES + lane);
            least[k] = CHOSEN(x < least[k], x, least[k]);
            most[k] = CHOSEN(x > most[k], x, most[k]);
        }
        AT(sofar->sums + lane) = s, AT(sofar->squares + lane) = q, AT(sofar->weighted + lane) = w;
    }
    for (size_t k = 0; k < deep; k++) AT(sofar->least + k * WIDTH) = least[k], AT(sofar->most + k * WIDTH) = most[k];
}

/* One block, of which the last row may be shorter than the others. */
TARGET static inline __attribute__((always_inline)) void JOINED(NAME, block)(
    const REAL *first, size_t size, const REAL *weights, SOFAR *sofar) {
    size_t used = size < LANES ? size : LANES, rows = size / LANES, row = 0, whole = size % LANES / WIDTH * WIDTH;
    for (size_t j = 0; j < used; j++) sofar->sums[j] = sofar->squares[j] = sofar->weighted[j] = 0;
    for (; row + DEEP <= rows; row += DEEP)
        JOINED(NAME, add)(first + row * LANES, weights + row * LANES, DEEP, LANES, sofar);
    for (; row < rows; row++) JOINED(NAME, add)(first + row * LANES, weights + row * LANES, 1, LANES, sofar);
    JOINED(NAME, add)(first + row * LANES, weights + row * LANES, 1, whole, sofar);
    for (size_t j = whole; j < size % LANES; j++) {
        REAL x = first[row * LANES + j];
        sofar->sums[j] += x, sofar->squares[j] += x * x, sofar->weighted[j] += x * weights[row * LANES + j];
        if (x < sofar->least[0]) sofar->least[0] = x;
        if (x > sofar->most[0]) sofar->most[0] = x;
    }
}

TARGET static inline __attribute__((always_inline)) void JOINED(NAME, begin)(SOFAR *sofar) {
    for (size_t j = 0; j < DEEP * WIDTH; j++)
        sofar->least[j] = (REAL)__builtin_inf(), sofar->most[j] = -(REAL)__builtin_inf();
}

TARGET static inline __attribute__((always_inline)) void JOINED(NAME, extremes)(SOFAR *sofar) {
    for (size_t j = 1; j < DEEP * WIDTH; j++) {
        if (sofar->least[j] < sofar->least[0]) sofar->least[0] = sofar->least[j];
        if (sofar->most[j] > sofar->most[0]) sofar->most[0] = sofar->most[j];
    }
}

/* What the lanes of a block of so many elements have, to that of all blocks before. */
TARGET static inline __attribute__((always_inline)) void JOINED(NAME, total)(
    const REAL *restrict lanes, size_t size, double weight, double (*restrict totals)[LANES]) {
    for (size_t j = 0; j < LANES && j < size; j++) {
        totals[0][j] += lanes[j], totals[1][j] += lanes[LANES + j];
        totals[2][j] += lanes[2 * LANES + j] * weight;
    }
}

/* What one thread does. */
TARGET static void JOINED(NAME, share)(void *given) {
    PART *part = given;
    SOFAR sofar;
    size_t number;
    while ((number = __atomic_fetch_add(&part->next, 1, __ATOMIC_RELAXED)) < part->blocks) {
        size_t start = number * ROWS * LANES, rest = part->count - start;
        REAL *found = part->found + number * FOUND;
        JOINED(NAME, begin)(&sofar);
        JOINED(NAME, block)(part->elements + start, rest < ROWS * LANES ? rest : ROWS * LANES, part->weights, &sofar);
        JOINED(NAME, extremes)(&sofar);
        memcpy(found, sofar.sums, sizeof(REAL) * 3 * LANES);
        found[3 * LANES] = sofar.least[0], found[3 * LANES + 1] = sofar.most[0];
    }
}

/* What is found of each block of a row, by several threads; NULL where there is no room for it. */
TARGET static REAL *JOINED(NAME, shared)(
    const REAL *elements, size_t count, const REAL *weights, size_t blocks, size_t threads,
    RUN *region) {
    PART part = {elements, weights, count, blocks, 0, malloc(blocks * FOUND * sizeof(REAL))};
    if (!part.found) return NULL;
    if (region)
        region(JOINED(NAME, share), &part, 0, 0); /* 0: as many as torch has, which another number would end */
    else
        in_own_threads(JOINED(NAME, share), &part, threads);
    return part.found;
}

/* Weights are those of the places of a block, and of blocks. Found are the least, the greatest, the sum,
   the sum of squares and the weighted sum; the first two pass NaN by, of which the squares tell. */
TARGET void NAME(
    const REAL *elements, size_t count, const REAL *weights, const double *of_blocks, double *found, size_t threads,
    RUN *region) {
    double totals[3][LANES];
    SOFAR sofar;
    size_t used = count < LANES ? count : LANES, blocks = (count + ROWS * LANES - 1) / (ROWS * LANES);
    REAL *shared = NULL;
    if (threads > 1 && blocks > 1) shared = JOINED(NAME, shared)(elements, count, weights, blocks, threads, region);
    for (size_t j = 0; j < used; j++) totals[0][j] = totals[1][j] = totals[2][j] = 0;
    JOINED(NAME, begin)(&sofar);
    for (size_t start = 0, number = 0; start < count; start += ROWS * LANES, number++) {
        size_t size = count - start < ROWS * LANES ? count - start : ROWS * LANES;
        double weight = of_blocks[number % BLOCKS];
        if (shared) {
            const REAL *of_block = shared + number * FOUND;
            JOINED(NAME, total)(of_block, size, weight, totals);
            if (of_block[3 * LANES] < sofar.least[0]) sofar.least[0] = of_block[3 * LANES];
            if (of_block[3 * LANES + 1] > sofar.most[0]) sofar.most[0] = of_block[3 * LANES + 1];
            continue;
        }
        JOINED(NAME, block)(elements + start, size, weights, &sofar);
        /* as `total`, which takes longer, since the compiler does not know then that nobody else has these lanes */
        for (size_t j = 0; j < used && j < size; j++) {
            totals[0][j] += sofar.sums[j], totals[1][j] += sofar.squares[j];
            totals[2][j] += sofar.weighted[j] * weight;
        }
    }
    free(shared);
    for (int k = 0; k < 3; k++) {
        for (size_t j = FOLDED; j < used; j++) totals[k][j % FOLDED] += totals[k][j];
        for (size_t j = 1; j < FOLDED && j < used; j++) totals[k][0] += totals[k][j];
    }
    JOINED(NAME, extremes)(&sofar);
    found[0] = sofar.least[0], found[1] = sofar.most[0];
    for (int k = 0; k < 3; k++) found[2 + k] = used ? totals[k][0] : 0;
}

#undef NAME
#undef REAL
#undef WHOLE
#undef WIDTH
#undef VECTOR
#undef MASK
#undef SOFAR
#undef PART
#undef AT
#undef CHOSEN

#endif
