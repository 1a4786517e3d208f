#ifndef FORESQL_CONVERT_H
#define FORESQL_CONVERT_H

#include "binding.h"

/* Whether a column of the model (COLUMN_IS_…, and its type in the signature) can be read from a SQL
 * type, and how: fills kind, type and logical of the source. What it must be is said in noun. */
int choose_conversion(int column_type, int signature_type, duckdb_type type, Source *source);
const char *column_noun(int column_type, int signature_type);

/* Convert the values of one chunk: into 8 bytes a row, or 16 of an enum. Values that are missing by
 * validity are not read. Returns 0, or 1 with a message that names no column. */
int convert_values(const Source *source, const void *values, const uint64_t *validity, idx_t rows,
                   void *converted, Message *message);

#endif
