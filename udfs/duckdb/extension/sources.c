/* Matches the columns of a model with a row's fields by name, or with arguments by position. */

#include "sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"

#define FIRST 1 /* the argument after the model */

/* What a call gives: the fields of a row, or arguments without names. */
typedef struct {
    int by_row;
    idx_t count;
    duckdb_logical_type *types;
    char **names;
} Given;

static const char *type_name(duckdb_type type)
{
    static const char *const names[] = {
        [DUCKDB_BOOLEAN] = "BOOLEAN",           [DUCKDB_TINYINT] = "TINYINT",
        [DUCKDB_SMALLINT] = "SMALLINT",         [DUCKDB_INTEGER] = "INTEGER",
        [DUCKDB_BIGINT] = "BIGINT",             [DUCKDB_UTINYINT] = "UTINYINT",
        [DUCKDB_USMALLINT] = "USMALLINT",       [DUCKDB_UINTEGER] = "UINTEGER",
        [DUCKDB_UBIGINT] = "UBIGINT",           [DUCKDB_FLOAT] = "FLOAT",
        [DUCKDB_DOUBLE] = "DOUBLE",             [DUCKDB_TIMESTAMP] = "TIMESTAMP",
        [DUCKDB_DATE] = "DATE",                 [DUCKDB_TIME] = "TIME",
        [DUCKDB_INTERVAL] = "INTERVAL",         [DUCKDB_HUGEINT] = "HUGEINT",
        [DUCKDB_VARCHAR] = "VARCHAR",           [DUCKDB_BLOB] = "BLOB",
        [DUCKDB_DECIMAL] = "DECIMAL",           [DUCKDB_TIMESTAMP_S] = "TIMESTAMP_S",
        [DUCKDB_TIMESTAMP_MS] = "TIMESTAMP_MS", [DUCKDB_TIMESTAMP_NS] = "TIMESTAMP_NS",
        [DUCKDB_ENUM] = "ENUM",                 [DUCKDB_LIST] = "LIST",
        [DUCKDB_STRUCT] = "STRUCT",             [DUCKDB_MAP] = "MAP",
        [DUCKDB_UUID] = "UUID",                 [DUCKDB_TIMESTAMP_TZ] = "TIMESTAMP WITH TIME ZONE",
        [DUCKDB_UHUGEINT] = "UHUGEINT",         [DUCKDB_ARRAY] = "ARRAY"};
    int is_known = type > 0 && type < (int)(sizeof names / sizeof *names);
    if (type == DUCKDB_UNKNOWN)
        return "a parameter whose type is not known yet";
    return is_known && names[type] ? names[type] : "of another type";
}

static int same_name(const char *given, const char *column, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char a = given[i], b = column[i];
        a = a >= 'A' && a <= 'Z' ? (char)(a + 32) : a;
        b = b >= 'A' && b <= 'Z' ? (char)(b + 32) : b;
        if (a != b || a == 0)
            return 0;
    }
    return given[length] == 0;
}

static void free_given(Given *given)
{
    for (idx_t i = 0; i < given->count; i++) {
        if (given->types[i] != NULL)
            duckdb.destroy_logical_type(&given->types[i]);
        if (given->names[i] != NULL)
            duckdb.free(given->names[i]);
    }
    free(given->types);
    free(given->names);
}

static int make_given(Given *given, idx_t count)
{
    given->types = calloc(count + 1, sizeof *given->types);
    given->names = calloc(count + 1, sizeof *given->names);
    given->count = given->types && given->names ? count : 0;
    return given->count != count;
}

static duckdb_logical_type argument_type(duckdb_bind_info info, idx_t index)
{
    duckdb_expression argument = duckdb.scalar_function_bind_get_argument(info, index);
    duckdb_logical_type type = duckdb.expression_return_type(argument);
    duckdb.destroy_expression(&argument);
    return type;
}

/* List what the call gives. A single struct is a row. */
static int read_given(duckdb_bind_info info, Given *given)
{
    idx_t arguments = duckdb.scalar_function_bind_get_argument_count(info) - FIRST;
    duckdb_logical_type row = arguments == 1 ? argument_type(info, FIRST) : NULL;
    given->by_row = row != NULL && duckdb.get_type_id(row) == DUCKDB_STRUCT;
    int failed = make_given(given, given->by_row ? duckdb.struct_type_child_count(row) : arguments);
    for (idx_t i = 0; i < given->count; i++) {
        given->types[i] = given->by_row ? duckdb.struct_type_child_type(row, i)
                                        : argument_type(info, FIRST + i);
        given->names[i] = given->by_row ? duckdb.struct_type_child_name(row, i) : NULL;
    }
    if (row != NULL)
        duckdb.destroy_logical_type(&row);
    return failed;
}

/* The field of a column's name; most rows have the fields in the model's order. */
static idx_t find_field(const Given *given, idx_t guess, const char *name, size_t length)
{
    for (idx_t i = 0; i < given->count; i++) {
        idx_t at = (guess + i) % given->count;
        if (given->names[at] != NULL && same_name(given->names[at], name, length))
            return at;
    }
    return given->count;
}

static int lacks_field(const Binding *binding, const Given *given, const char *name, int length,
                       const char *noun, Message *message)
{
    char there[600] = "";
    size_t used = 0;
    for (idx_t i = 0; i < given->count && used < sizeof there - 100; i++)
        used += (size_t)snprintf(there + used, sizeof there - used, "%s%.80s", i ? ", " : "",
                                 given->names[i] ? given->names[i] : "");
    return fail(message, "Model '%.300s' needs column '%.*s' (%s), and the row has no such field. "
                "It has: %s.", binding->reference, length > 200 ? 200 : length, name, noun, there);
}

static int make_dictionary(Source *source, duckdb_logical_type type)
{
    source->type = duckdb.enum_internal_type(type);
    source->dictionary_size = duckdb.enum_dictionary_size(type);
    source->dictionary = calloc((size_t)source->dictionary_size + 1, sizeof *source->dictionary);
    source->texts = calloc((size_t)source->dictionary_size + 1, sizeof *source->texts);
    if (source->dictionary == NULL || source->texts == NULL)
        return 1;
    for (uint32_t i = 0; i < source->dictionary_size; i++) {
        char *text = source->texts[i] = duckdb.enum_dictionary_value(type, i);
        duckdb_string_t *entry = &source->dictionary[i];
        entry->length = text ? (uint32_t)strlen(text) : 0;
        memcpy(entry->prefix, text ? text : "", entry->length < 4 ? entry->length : 4);
        if (entry->length > 12)
            entry->value.pointer = text;
        else if (entry->length > 4)
            memcpy(entry->value.rest, text + 4, entry->length - 4);
    }
    return 0;
}

static int describe(Source *source, duckdb_logical_type type)
{
    if (source->logical == DUCKDB_ENUM)
        return make_dictionary(source, type);
    if (source->logical == DUCKDB_DECIMAL) {
        source->type = duckdb.decimal_internal_type(type);
        source->divisor = 1;
        for (int digits = duckdb.decimal_scale(type); digits > 0; digits--)
            source->divisor *= 10; /* exact up to 10^22, and refused beyond */
    }
    return 0;
}

static int bind_source(const Binding *binding, const Given *given, int32_t index, Message *message)
{
    const Program *program = binding->model->program;
    int64_t length;
    const char *name = foresql_program_column_name(program, index, &length);
    int shown = length > 200 ? 200 : (int)length;
    int column_type = foresql_program_column_type(program, index);
    int signature_type = foresql_program_signature_type(program, index);
    const char *noun = column_noun(column_type, signature_type);
    Source *source = &binding->sources[index];
    source->position = given->by_row ? find_field(given, (idx_t)index, name, (size_t)length)
                                     : (idx_t)index;
    if (source->position >= given->count)
        return lacks_field(binding, given, name, (int)length, noun, message);
    duckdb_logical_type type = given->types[source->position];
    duckdb_type id = duckdb.get_type_id(type);
    if (!choose_conversion(column_type, signature_type, id, source))
        return fail(message, "Model '%.300s': column '%.*s' must be %s, and it is %s. Cast it in "
                    "the query.", binding->reference, shown, name, noun, type_name(id));
    return describe(source, type) ? fail(message, "There is no memory for an ENUM's values.") : 0;
}

static int check_count(const Binding *binding, const Given *given, int takes_values,
                       Message *message)
{
    /* DuckDB drops the names of arguments, so f(b := 1, a := 2) would be read as f(1, 2). */
    if (!given->by_row && !takes_values)
        return fail(message, "Model '%.300s' reads a row. Give the name of a table or its alias, or "
                    "a struct such as {column: value, ...}: values alone would be taken by "
                    "position, whatever names they have.", binding->reference);
    if (given->by_row || given->count == (idx_t)binding->columns)
        return 0;
    return fail(message, "Model '%.300s' has %d columns, and the call gives %lld. Give a row, such "
                "as the name of a table, or a value for each column in the model's order.",
                binding->reference, binding->columns, (long long)given->count);
}

int bind_sources(duckdb_bind_info info, Binding *binding, int takes_values, Message *message)
{
    Given given = {0, 0, NULL, NULL};
    int failed = read_given(info, &given);
    binding->sources = calloc((size_t)binding->columns + 1, sizeof *binding->sources);
    if (failed || binding->sources == NULL)
        failed = fail(message, "There is no memory to bind the columns.");
    else
        failed = check_count(binding, &given, takes_values, message);
    for (int32_t i = 0; i < binding->columns && !failed; i++)
        failed = bind_source(binding, &given, i, message);
    binding->by_row = given.by_row;
    free_given(&given);
    return failed;
}

void free_sources(Source *sources, int32_t count)
{
    for (int32_t i = 0; sources != NULL && i < count; i++) {
        for (uint32_t j = 0; sources[i].texts != NULL && j < sources[i].dictionary_size; j++)
            duckdb.free(sources[i].texts[j]);
        free(sources[i].texts);
        free(sources[i].dictionary);
    }
    free(sources);
}
