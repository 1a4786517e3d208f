/* Columns of an engine as blocks of doubles. NULL and NaN both become NaN. */

#ifndef FORESQL_VALUES_H
#define FORESQL_VALUES_H

#include <math.h>
#include <string.h>

#include "program.h"

static int bit_at(const uint8_t *bits, int64_t index) { return bits[index >> 3] >> (index & 7) & 1; }

static int is_valid(const Column *column, int64_t position) {
    return !column->validity || bit_at(column->validity, position);
}

static int all_valid(const Column *column, int64_t position, int64_t rows) {
    const uint8_t *bits = column->validity;
    int64_t end = position + rows;
    if (!bits) return 1;
    for (; position < end && position & 7; position++)
        if (!bit_at(bits, position)) return 0;
    for (; position + 8 <= end; position += 8)
        if (bits[position >> 3] != 255) return 0;
    for (; position < end; position++)
        if (!bit_at(bits, position)) return 0;
    return 1;
}

/* Where a plain run of doubles can be read as it lies, or NULL. */
static const double *in_place(const Column *column, int64_t position, int64_t rows) {
    const void *values = column->kind == COLUMN_CODES ? column->data : column->values;
    if ((column->kind != COLUMN_DOUBLE && column->kind != COLUMN_CODES) || !values) return NULL;
    const char *first = (const char *)values + position * (int64_t)sizeof(double);
    if (column->constant || (uintptr_t)first % sizeof(double) || !all_valid(column, position, rows))
        return NULL;
    return (const double *)(const void *)first;
}

static void clear_missing(const Column *column, int64_t position, int64_t rows, double *out) {
    if (all_valid(column, position, rows)) return;
    for (int64_t i = 0; i < rows; i++)
        out[i] = bit_at(column->validity, position + i) ? out[i] : NAN;
}

#define COPY(type)                                                                      \
    do {                                                                                \
        const char *from = (const char *)column->values + position * (int64_t)sizeof(type); \
        for (int64_t i = 0; i < rows; i++) {                                            \
            type value;                                                                 \
            memcpy(&value, from + i * (int64_t)sizeof(type), sizeof(type));             \
            out[i] = (double)value;                                                     \
        }                                                                               \
    } while (0)

static void copy_numbers(const Column *column, int64_t position, int64_t rows, double *out) {
    switch (column->kind) {
    case COLUMN_DOUBLE: COPY(double); break;
    case COLUMN_FLOAT: COPY(float); break;
    case COLUMN_INT8: COPY(int8_t); break;
    case COLUMN_INT16: COPY(int16_t); break;
    case COLUMN_INT32: COPY(int32_t); break;
    case COLUMN_INT64: COPY(int64_t); break;
    case COLUMN_UINT8: COPY(uint8_t); break;
    case COLUMN_UINT16: COPY(uint16_t); break;
    case COLUMN_UINT32: COPY(uint32_t); break;
    case COLUMN_UINT64: COPY(uint64_t); break;
    case COLUMN_BOOL_BYTES:
        for (int64_t i = 0; i < rows; i++)
            out[i] = ((const uint8_t *)column->values)[position + i] != 0;
        break;
    case COLUMN_BOOL_BITS:
        for (int64_t i = 0; i < rows; i++)
            out[i] = bit_at((const uint8_t *)column->values, position + i);
        break;
    case COLUMN_CODES:
        memcpy(out, (const double *)column->data + position, (size_t)rows * sizeof(double));
        break;
    default:
        for (int64_t i = 0; i < rows; i++) out[i] = NAN;
        return;
    }
    clear_missing(column, position, rows, out);
}

#undef COPY

/* Give rows from start on as doubles: where they lie, or copied to slot. */
static const double *load_numbers(const Column *column, int64_t start, int64_t rows, double *slot) {
    int64_t position = column->offset + (column->constant ? 0 : start);
    const double *found = in_place(column, position, rows);
    if (found) return found;
    if (!column->constant) copy_numbers(column, position, rows, slot);
    else {
        copy_numbers(column, position, 1, slot);
        for (int64_t i = 1; i < rows; i++) slot[i] = slot[0];
    }
    return slot;
}

/* An integer, a boolean or a time as int64. Gives 0 where it is none: only uint64 has such. */
static int integer_at(const Column *column, int64_t position, int64_t *integer) {
    const void *values = column->values;
    uint64_t wide;
    switch (column->kind) {
    case COLUMN_INT8: *integer = ((const int8_t *)values)[position]; return 1;
    case COLUMN_INT16: *integer = ((const int16_t *)values)[position]; return 1;
    case COLUMN_INT32: *integer = ((const int32_t *)values)[position]; return 1;
    case COLUMN_INT64: *integer = ((const int64_t *)values)[position]; return 1;
    case COLUMN_UINT8: *integer = ((const uint8_t *)values)[position]; return 1;
    case COLUMN_UINT16: *integer = ((const uint16_t *)values)[position]; return 1;
    case COLUMN_UINT32: *integer = ((const uint32_t *)values)[position]; return 1;
    case COLUMN_BOOL_BYTES: *integer = ((const uint8_t *)values)[position] != 0; return 1;
    case COLUMN_BOOL_BITS: *integer = bit_at((const uint8_t *)values, position); return 1;
    default:
        wide = ((const uint64_t *)values)[position];
        *integer = (int64_t)wide;
        return wide <= INT64_MAX;
    }
}

typedef struct {
    const char *bytes;
    int64_t length;
} Text;

/* Short texts of DuckDB stand in their 16 bytes, after the length; of long ones a pointer does. */
enum { DUCKDB_TEXT = 16, DUCKDB_INLINE = 12, DUCKDB_POINTER = 8 };

static Text text_at(const Column *column, int64_t position) {
    Text text;
    if (column->kind == COLUMN_TEXT_DUCKDB) {
        const char *value = (const char *)column->values + position * DUCKDB_TEXT;
        uint32_t length;
        memcpy(&length, value, sizeof length);
        text.length = length;
        text.bytes = value + sizeof length;
        if (length > DUCKDB_INLINE) memcpy(&text.bytes, value + DUCKDB_POINTER, sizeof text.bytes);
        return text;
    }
    if (column->kind == COLUMN_TEXT_INT32) {
        const int32_t *offsets = (const int32_t *)column->values + position;
        text.bytes = (const char *)column->data + offsets[0];
        text.length = (int64_t)offsets[1] - offsets[0];
        return text;
    }
    const int64_t *offsets = (const int64_t *)column->values + position;
    text.bytes = (const char *)column->data + offsets[0];
    text.length = offsets[1] - offsets[0];
    return text;
}

static int is_text(int32_t kind) {
    return kind == COLUMN_TEXT_INT32 || kind == COLUMN_TEXT_INT64 || kind == COLUMN_TEXT_DUCKDB;
}

static int is_integer(int32_t kind) { return kind >= COLUMN_INT8 && kind <= COLUMN_UINT64; }

static int is_boolean(int32_t kind) {
    return kind == COLUMN_BOOL_BYTES || kind == COLUMN_BOOL_BITS;
}

#endif
