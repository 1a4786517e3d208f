/* SQL types that a program does not read as they lie in memory: exactly, or with an error. */

#include "convert.h"

#include <string.h>

#define EXACT_IN_DOUBLE ((int64_t)1 << 53)

static int is_whole(duckdb_type type)
{
    return type >= DUCKDB_TINYINT && type <= DUCKDB_UBIGINT;
}

static int is_wide(duckdb_type type)
{
    return type == DUCKDB_HUGEINT || type == DUCKDB_UHUGEINT;
}

/* The kind of memory of the types that are read as they are. */
static int32_t plain_kind(duckdb_type type)
{
    static const int32_t kinds[] = {
        [DUCKDB_BOOLEAN] = COLUMN_BOOL_BYTES, [DUCKDB_TINYINT] = COLUMN_INT8,
        [DUCKDB_SMALLINT] = COLUMN_INT16,     [DUCKDB_INTEGER] = COLUMN_INT32,
        [DUCKDB_BIGINT] = COLUMN_INT64,       [DUCKDB_UTINYINT] = COLUMN_UINT8,
        [DUCKDB_USMALLINT] = COLUMN_UINT16,   [DUCKDB_UINTEGER] = COLUMN_UINT32,
        [DUCKDB_UBIGINT] = COLUMN_UINT64,     [DUCKDB_FLOAT] = COLUMN_FLOAT,
        [DUCKDB_DOUBLE] = COLUMN_DOUBLE,      [DUCKDB_TIMESTAMP] = COLUMN_INT64,
        [DUCKDB_VARCHAR] = COLUMN_TEXT_DUCKDB};
    return type >= 0 && type < (int)(sizeof kinds / sizeof *kinds) ? kinds[type] : COLUMN_ABSENT;
}

static int is_time(duckdb_type type)
{
    return type == DUCKDB_DATE || type == DUCKDB_TIMESTAMP ||
           (type >= DUCKDB_TIMESTAMP_S && type <= DUCKDB_TIMESTAMP_NS);
}

enum { SIGNATURE_BOOLEAN = 2 };

int choose_conversion(int column_type, int signature_type, duckdb_type type, Source *source)
{
    source->type = type;
    source->logical = 0;
    source->kind = plain_kind(type);
    if (type == DUCKDB_SQLNULL)
        return 1; /* absent: every row is missing */
    if (column_type == COLUMN_IS_TEXT) {
        source->logical = type == DUCKDB_ENUM ? DUCKDB_ENUM : 0;
        source->kind = COLUMN_TEXT_DUCKDB;
        return type == DUCKDB_VARCHAR || type == DUCKDB_ENUM;
    }
    if (column_type == COLUMN_IS_TIME) {
        source->logical = type == DUCKDB_TIMESTAMP ? 0 : type;
        source->kind = COLUMN_INT64;
        return is_time(type);
    }
    if (column_type == COLUMN_IS_BOOLEAN || signature_type == SIGNATURE_BOOLEAN)
        return type == DUCKDB_BOOLEAN;
    if (is_wide(type)) {
        source->logical = type;
        source->kind = column_type == COLUMN_IS_INTEGER ? COLUMN_INT64 : COLUMN_DOUBLE;
        return 1;
    }
    if (column_type == COLUMN_IS_INTEGER)
        return is_whole(type);
    if (type == DUCKDB_DECIMAL) {
        source->logical = type;
        source->kind = COLUMN_DOUBLE;
        return 1;
    }
    return is_whole(type) || type == DUCKDB_FLOAT || type == DUCKDB_DOUBLE;
}

const char *column_noun(int column_type, int signature_type)
{
    switch (column_type) {
    case COLUMN_IS_INTEGER:
        return "an integer";
    case COLUMN_IS_TEXT:
        return "text";
    case COLUMN_IS_TIME:
        return "a date or time";
    default:
        return column_type == COLUMN_IS_BOOLEAN || signature_type == SIGNATURE_BOOLEAN ? "a boolean"
                                                                                     : "a number";
    }
}

static int is_missing(const uint64_t *validity, idx_t row)
{
    return validity != NULL && !(validity[row / 64] >> row % 64 & 1);
}

static int64_t small_integer(duckdb_type type, const void *values, idx_t row)
{
    switch (type) {
    case DUCKDB_UTINYINT:
        return ((const uint8_t *)values)[row];
    case DUCKDB_USMALLINT:
        return ((const uint16_t *)values)[row];
    case DUCKDB_UINTEGER:
        return ((const uint32_t *)values)[row];
    case DUCKDB_SMALLINT:
        return ((const int16_t *)values)[row];
    case DUCKDB_INTEGER:
        return ((const int32_t *)values)[row];
    default:
        return ((const int64_t *)values)[row];
    }
}

/* A HUGEINT that is a BIGINT; an UHUGEINT has the same bits below 2^63. */
static int wide_integer(duckdb_type type, const void *values, idx_t row, int64_t *value)
{
    duckdb_hugeint wide = ((const duckdb_hugeint *)values)[row];
    memcpy(value, &wide.lower, sizeof *value);
    return wide.upper == 0 ? *value >= 0 : type == DUCKDB_HUGEINT && wide.upper == -1 && *value < 0;
}

static int convert_wide(const Source *source, const void *values, const uint64_t *validity,
                        idx_t rows, void *converted, Message *message)
{
    int64_t value;
    for (idx_t row = 0; row < rows; row++) {
        if (is_missing(validity, row))
            continue;
        if (!wide_integer(source->type, values, row, &value))
            return fail(message, "has an integer beyond 64 bits. Cast the column to %s in the query",
                        source->kind == COLUMN_INT64 ? "BIGINT" : "DOUBLE");
        if (source->kind == COLUMN_INT64)
            ((int64_t *)converted)[row] = value;
        else
            ((double *)converted)[row] = (double)value;
    }
    return 0;
}

/* Integers up to 2^53 and powers of ten up to 10^22 are doubles: one division rounds correctly. */
static int convert_decimal(const Source *source, const void *values, const uint64_t *validity,
                           idx_t rows, double *converted, Message *message)
{
    int is_good = 1;
    for (idx_t row = 0; row < rows; row++) {
        int64_t value = 0;
        if (is_missing(validity, row))
            continue;
        if (is_wide(source->type))
            is_good = wide_integer(source->type, values, row, &value);
        else
            value = small_integer(source->type, values, row);
        if (!is_good || value > EXACT_IN_DOUBLE || value < -EXACT_IN_DOUBLE ||
            source->divisor > 1e22)
            return fail(message, "has a DECIMAL of too many digits to be exact. Cast the column to "
                        "DOUBLE in the query");
        converted[row] = (double)value / source->divisor;
    }
    return 0;
}

/* Multiply a time into microseconds; infinity, which is the last integer, stays. */
static int scale_time(int64_t *value, int64_t last, int64_t factor)
{
    if (*value == last || *value == -last) {
        *value = *value > 0 ? INT64_MAX : -INT64_MAX;
        return 1;
    }
    if (*value > INT64_MAX / factor || *value < -(INT64_MAX / factor))
        return 0;
    *value *= factor;
    return 1;
}

static int convert_time(const Source *source, const void *values, const uint64_t *validity,
                        idx_t rows, int64_t *converted, Message *message)
{
    int is_date = source->type == DUCKDB_DATE, is_nano = source->type == DUCKDB_TIMESTAMP_NS;
    int64_t last = is_date ? INT32_MAX : INT64_MAX;
    int64_t factor = is_date ? 86400000000 : source->type == DUCKDB_TIMESTAMP_S ? 1000000 : 1000;
    for (idx_t row = 0; row < rows; row++) {
        if (is_missing(validity, row))
            continue;
        int64_t value = small_integer(is_date ? DUCKDB_INTEGER : DUCKDB_BIGINT, values, row);
        if (is_nano && value != last && value != -last) {
            if (value % 1000 != 0)
                return fail(message, "has a time that is not whole microseconds. Cast it to "
                            "TIMESTAMP in the query, if rounding is what you mean");
            value /= 1000;
        } else if (!scale_time(&value, last, factor)) {
            return fail(message, "has a time that TIMESTAMP cannot hold");
        }
        converted[row] = value;
    }
    return 0;
}

static int convert_enum(const Source *source, const void *values, const uint64_t *validity,
                        idx_t rows, duckdb_string_t *converted, Message *message)
{
    for (idx_t row = 0; row < rows; row++) {
        if (is_missing(validity, row))
            continue;
        int64_t code = small_integer(source->type, values, row);
        if (code < 0 || code >= source->dictionary_size)
            return fail(message, "has a value that its ENUM does not have");
        converted[row] = source->dictionary[code];
    }
    return 0;
}

int convert_values(const Source *source, const void *values, const uint64_t *validity, idx_t rows,
                   void *converted, Message *message)
{
    switch (source->logical) {
    case DUCKDB_ENUM:
        return convert_enum(source, values, validity, rows, converted, message);
    case DUCKDB_DECIMAL:
        return convert_decimal(source, values, validity, rows, converted, message);
    case DUCKDB_HUGEINT:
    case DUCKDB_UHUGEINT:
        return convert_wide(source, values, validity, rows, converted, message);
    default:
        return convert_time(source, values, validity, rows, converted, message);
    }
}
