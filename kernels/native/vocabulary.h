/* The keys that a model tells apart in a column, behind a hash table.
 *
 * A key's code is its position among them; NULL has the code after the last, and every other
 * value the one after that. Texts are equal where their bytes are. */

#ifndef FORESQL_VOCABULARY_H
#define FORESQL_VOCABULARY_H

#include <stdlib.h>

#include "values.h"

typedef struct {
    int32_t count;
    const int64_t *integers; /* the keys, or */
    const int64_t *offsets;  /* [count + 1] into texts */
    const char *texts;
    int32_t *slots; /* position + 1, or 0; a power of two of them, at most half full */
    uint64_t mask;
} Vocabulary;

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
    return hash ^ hash >> 32;
}

static uint64_t hash_text(Text text) {
    uint64_t hash = mix(0, (uint64_t)text.length), word;
    while (text.length >= 8) {
        memcpy(&word, text.bytes, 8);
        hash = mix(hash, word);
        text.bytes += 8;
        text.length -= 8;
    }
    word = 0;
    for (int64_t i = 0; i < text.length; i++) word = word << 8 | (uint8_t)text.bytes[i];
    return mix(hash, word);
}

static Text key_text(const Vocabulary *vocabulary, int32_t position) {
    const int64_t *offsets = vocabulary->offsets + position;
    Text text = {vocabulary->texts + offsets[0], offsets[1] - offsets[0]};
    return text;
}

static int32_t find_integer(const Vocabulary *vocabulary, int64_t integer) {
    uint64_t slot = mix(0, (uint64_t)integer) & vocabulary->mask;
    for (; vocabulary->slots[slot]; slot = (slot + 1) & vocabulary->mask) {
        int32_t position = vocabulary->slots[slot] - 1;
        if (vocabulary->integers[position] == integer) return position;
    }
    return vocabulary->count + 1;
}

static int32_t find_text(const Vocabulary *vocabulary, Text text) {
    uint64_t slot = hash_text(text) & vocabulary->mask;
    for (; vocabulary->slots[slot]; slot = (slot + 1) & vocabulary->mask) {
        int32_t position = vocabulary->slots[slot] - 1;
        Text key = key_text(vocabulary, position);
        if (key.length == text.length &&
            (!key.length || !memcmp(key.bytes, text.bytes, (size_t)key.length)))
            return position;
    }
    return vocabulary->count + 1;
}

/* Enter all keys; of equal ones the first counts. Gives 0 where there is no memory. */
static int build_slots(Vocabulary *vocabulary) {
    uint64_t size = 2;
    while (size < 2 * (uint64_t)vocabulary->count) size *= 2;
    vocabulary->slots = (int32_t *)calloc((size_t)size, sizeof(int32_t));
    vocabulary->mask = size - 1;
    if (!vocabulary->slots) return 0;
    for (int32_t position = 0; position < vocabulary->count; position++) {
        int is_text_key = vocabulary->offsets != NULL;
        int32_t found = is_text_key ? find_text(vocabulary, key_text(vocabulary, position))
                                    : find_integer(vocabulary, vocabulary->integers[position]);
        if (found < vocabulary->count) continue;
        uint64_t slot = (is_text_key ? hash_text(key_text(vocabulary, position))
                                     : mix(0, (uint64_t)vocabulary->integers[position])) &
                        vocabulary->mask;
        while (vocabulary->slots[slot]) slot = (slot + 1) & vocabulary->mask;
        vocabulary->slots[slot] = position + 1;
    }
    return 1;
}

static int32_t given_code(const Vocabulary *vocabulary, int64_t code) {
    int is_code = code >= 0 && code <= (int64_t)vocabulary->count + 1;
    return is_code ? (int32_t)code : vocabulary->count + 1;
}

/* The code of one value; -1 where it is an integer beyond 64 bits. */
static int32_t code_at(const Vocabulary *vocabulary, const Column *column, int64_t position) {
    int64_t integer;
    if (column->kind == COLUMN_ABSENT || !is_valid(column, position)) return vocabulary->count;
    if (column->kind == COLUMN_CODES)
        return given_code(vocabulary, ((const int64_t *)column->values)[position]);
    if (is_text(column->kind)) return find_text(vocabulary, text_at(column, position));
    if (!integer_at(column, position, &integer)) return -1;
    return find_integer(vocabulary, integer);
}

/* Code the rows from start on. Gives 0 where one is an integer beyond 64 bits. */
static int load_codes(const Vocabulary *vocabulary, const Column *column, int64_t start,
                      int64_t rows, int32_t *codes) {
    int64_t position = column->offset + (column->constant ? 0 : start);
    int fits = 1;
    for (int64_t i = 0; i < rows; i++) {
        int repeats = column->constant && i > 0;
        codes[i] = repeats ? codes[0] : code_at(vocabulary, column, position + i);
        fits &= codes[i] >= 0;
    }
    return fits;
}

#endif
