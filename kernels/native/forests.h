/* The forests of a program: structs of forest.c and walk.c, filled from its sections and checked. */

#ifndef FORESQL_FORESTS_H
#define FORESQL_FORESTS_H

#include <stdlib.h>
#include <string.h>

#include "forest.h"
#include "walk.h"

/* How many numbers and arrays the structs begin with; forest_tables.py names them. */
enum { BLEND_NUMBERS = 7, BLEND_ARRAYS = 15, WALK_NUMBERS = 10, WALK_ARRAYS = 8, LINEAR_ARRAYS = 7 };

/* The entries of the arrays of a Forest, in the order of the struct and of Lengths. */
static const size_t BLEND_ENTRIES[BLEND_ARRAYS] = {
    sizeof(Feature), 4, 8, 4, 1, sizeof(Split), sizeof(Run), 8, 8, 8, 1, 1, 8, 8, 4};

typedef struct {
    const void *start;
    int64_t bytes;
} Array;

static int64_t entries(const Array *array, size_t size) {
    return array->bytes % (int64_t)size ? -1 : array->bytes / (int64_t)size;
}

/* Lay out a struct of numbers and pointers, with room behind it. */
static void *lay_out(const int32_t *numbers, int count, const Array *arrays, int pointers,
                     size_t room) {
    const size_t start = ((size_t)count * sizeof(int32_t) + sizeof(void *) - 1) / sizeof(void *) *
                         sizeof(void *);
    char *made = (char *)calloc(1, start + (size_t)pointers * sizeof(void *) + room);
    if (!made) return NULL;
    memcpy(made, numbers, (size_t)count * sizeof(int32_t));
    for (int i = 0; i < pointers; i++)
        memcpy(made + start + (size_t)i * sizeof(void *), &arrays[i].start, sizeof(void *));
    return made;
}

static Forest *make_blend(const int32_t *numbers, const Array *arrays, int32_t inputs,
                          int32_t outputs) {
    Lengths lengths;
    int64_t counted[BLEND_ARRAYS];
    int fits = sizeof lengths == sizeof counted;
    for (int i = 0; i < BLEND_ARRAYS; i++) {
        counted[i] = entries(arrays + i, BLEND_ENTRIES[i]);
        fits &= counted[i] >= 0;
    }
    memcpy(&lengths, counted, sizeof lengths);
    Forest *made = (Forest *)lay_out(numbers, BLEND_NUMBERS, arrays, BLEND_ARRAYS, 0);
    if (made && fits && made->outputs == outputs && !foresql_check(made, &lengths, inputs))
        return made;
    free(made);
    return NULL;
}

/* The arrays of leaves that are weighted sums: one number, then those of WalkLinear. */
static int fill_linear(WalkLinear *linear, const Array *arrays, WalkLengths *lengths) {
    if (entries(arrays, 8) != 1) return 0;
    memcpy(&linear->zero, arrays[0].start, sizeof linear->zero);
    linear->constants = (const double *)arrays[1].start;
    linear->plain = (const double *)arrays[2].start;
    linear->term_start = (const int64_t *)arrays[3].start;
    linear->term_place = (const int32_t *)arrays[4].start;
    linear->coefficients = (const double *)arrays[5].start;
    linear->read = (const int32_t *)arrays[6].start;
    lengths->terms = entries(arrays + 5, 8);
    lengths->reads = linear->reads = entries(arrays + 6, 4);
    return entries(arrays + 1, 8) == lengths->leaves && entries(arrays + 2, 8) == lengths->leaves &&
           entries(arrays + 3, 8) == lengths->leaves + 1 && lengths->terms >= 0 &&
           entries(arrays + 4, 4) == lengths->terms && lengths->reads >= 0;
}

static Walk *make_walk(const int32_t *numbers, const Array *arrays, int32_t inputs,
                       int32_t outputs) {
    WalkLengths lengths = {
        entries(arrays, sizeof(WalkFeature)), entries(arrays + 1, 8), entries(arrays + 2, 4),
        entries(arrays + 3, 4), entries(arrays + 4, sizeof(WalkNode)),
        entries(arrays + 5, sizeof(WalkTree)), entries(arrays + 6, 8), entries(arrays + 7, 4),
        0, 0, inputs};
    for (int i = 0; i < WALK_ARRAYS; i++)
        if (((const int64_t *)&lengths)[i] < 0) return NULL;
    Walk *made = (Walk *)lay_out(numbers, WALK_NUMBERS, arrays, WALK_ARRAYS + 1, sizeof(WalkLinear));
    if (!made) return NULL;
    made->linear = NULL;
    int fits = made->outputs == outputs;
    if (arrays[WALK_ARRAYS].bytes) {
        WalkLinear *linear = (WalkLinear *)(void *)(made + 1);
        made->linear = linear;
        fits &= fill_linear(linear, arrays + WALK_ARRAYS, &lengths);
    }
    if (fits && foresql_check_walk(made, &lengths)) return made;
    free(made);
    return NULL;
}

#endif
