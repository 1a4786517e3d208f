/* What a call means, found once when its query is bound. */

#ifndef FORESQL_BINDING_H
#define FORESQL_BINDING_H

#include "duckdb_api.h"
#include "model_cache.h"

#define REGISTRY_OPTION "foresql_registry"

typedef enum {
    GIVES_NUMBER,
    GIVES_LABEL,
    GIVES_PROBABILITY,
    GIVES_NUMBERS,
    GIVES_PROBABILITIES
} Gives;

typedef struct {
    const char *name;
    Gives gives;
} Function;

/* Where a column of the model comes from: a field of the row, or an argument. */
typedef struct {
    idx_t position;
    int32_t kind;      /* ColumnKind, after conversion */
    duckdb_type type;  /* of the values in memory: of an enum or a decimal, its integers */
    int32_t logical;   /* the SQL type where values are converted, else 0 */
    double divisor;    /* of a decimal */
    duckdb_string_t *dictionary; /* of an enum, and the texts that it points into */
    char **texts;
    uint32_t dictionary_size;
} Source;

typedef struct {
    Model *model;
    Gives gives;
    int by_row;
    int32_t columns;
    int copies; /* under the cache's lock */
    char *reference;
    Source *sources;
    double *labels; /* of a classifier whose prediction is a number */
} Binding;

/* DuckDB calls it for every place of a query that calls a function. Its extra info: CallInfo. */
void bind_call(duckdb_bind_info info);

typedef struct {
    Cache *cache;
    const Function *function;
    int takes_values; /* columns by position, and not only a row */
} CallInfo;

CallInfo *new_call_info(Cache *cache, const Function *function, int takes_values);
void free_call_info(void *info);

#endif
